"""Tests of the script `compare` beside this file: python3 compare_test.py"""

import importlib.machinery
import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
SCRIPT = pathlib.Path(__file__).with_name("compare")
loader = importlib.machinery.SourceFileLoader("compare", str(SCRIPT))
compare = importlib.util.module_from_spec(importlib.util.spec_from_loader("compare", loader))
loader.exec_module(compare)


class MannWhitney(unittest.TestCase):
    def test_separated_samples_by_hand(self):
        # One of the C(6, 3) = 20 arrangements has U = 0; two sides.
        self.assertEqual(compare.mann_whitney([1, 2, 3], [4, 5, 6]), (0, 0.1))
        self.assertEqual(compare.mann_whitney([4, 5, 6], [1, 2, 3]), (9, 0.1))
        u, p = compare.mann_whitney([1, 2, 3, 4, 5], [6, 7, 8, 9, 10])
        self.assertEqual(u, 0)
        self.assertAlmostEqual(p, 2 / 252, places=12)

    def test_one_exchange_by_hand(self):
        # U = 0 and U = 1 have one arrangement each.
        self.assertEqual(compare.mann_whitney([1, 2, 4], [3, 5, 6]), (1, 0.2))

    def test_all_arrangements_are_counted(self):
        # Of C(4, 2) = 6: U = 0, 1, 2, 2, 3, 4.
        self.assertEqual([compare.count_below(2, 2, u) for u in range(5)], [1, 2, 4, 5, 6])
        self.assertEqual(compare.count_below(5, 3, 15), 56)

    def test_the_published_critical_value_is_one(self):
        # Critical U of n = m = 10, two-sided 5 %: 23.
        self.assertLess(2 * compare.count_below(10, 10, 23) / 184756, 0.05)
        self.assertGreater(2 * compare.count_below(10, 10, 24) / 184756, 0.05)

    def test_ties_by_hand(self):
        # Ranks 2, 2, 5 and 2, 5, 5: U = 9 - 6 = 3. Variance 9/12 (7 - 48/30) = 4.05, z = 1/sqrt(4.05)
        # = 0.4969; the normal table gives p = 0.619.
        u, p = compare.mann_whitney([1, 1, 2], [1, 2, 2])
        self.assertEqual(u, 3)
        self.assertAlmostEqual(p, 0.619, places=3)

    def test_equal_values_do_not_differ(self):
        self.assertEqual(compare.mann_whitney([1, 1, 1], [1, 1, 1])[1], 1.0)

    def test_many_repetitions_use_the_normal_law_continuously(self):
        a, b = [2 * i for i in range(20)], [2 * i + 9 for i in range(20)]
        exact = compare.mann_whitney(a, b)[1]
        compare.MOST_EXACT, kept = 1, compare.MOST_EXACT
        try:
            self.assertAlmostEqual(compare.mann_whitney(a, b)[1], exact, delta=0.005)
        finally:
            compare.MOST_EXACT = kept


class Command(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.directory = pathlib.Path(scratch.name)

    def report(self, name, times, **more):
        entries = [{"name": f"b/real_time", "run_name": "b", "run_type": "iteration",
                    "real_time": time, "time_unit": "ms", **more} for time in times]
        entries.append({"name": "b_median", "run_name": "b", "run_type": "aggregate",
                        "real_time": 1e9, "time_unit": "ms"})
        path = self.directory / name
        path.write_text(json.dumps({"benchmarks": entries}))
        return path

    def run_script(self, *arguments):
        return subprocess.run([sys.executable, str(SCRIPT), *map(str, arguments)],
                              capture_output=True, text=True)

    def test_a_slower_benchmark_is_a_regression(self):
        base = self.report("base", [10, 11, 12, 13])
        slow = self.report("slow", [14, 15, 16, 17])
        got = self.run_script(base, slow)
        self.assertEqual(got.returncode, 6, got.stderr)
        # Medians 11.5 and 15.5; p = 2/70.
        self.assertRegex(got.stdout, r"b +4 +4 +1\.348 +0 +0\.0286  SLOWER")
        self.assertEqual(self.run_script(slow, base).returncode, 0)
        self.assertEqual(self.run_script(base, slow, "--ratio", "1.4").returncode, 0)
        self.assertEqual(self.run_script(base, slow, "--p", "0.02").returncode, 0)

    def test_noise_is_no_regression(self):
        base = self.report("base", [10, 11, 12, 30])
        self.assertEqual(self.run_script(base, self.report("same", [11.5, 12.5, 14, 15])).returncode,
                         0)

    def test_units_are_understood(self):
        base = self.report("base", [10, 11, 12, 13])
        micro = self.report("micro", [10100, 11100, 12100, 13100], time_unit="us")
        self.assertEqual(self.run_script(base, micro).returncode, 0)

    def test_too_few_repetitions_are_said(self):
        got = self.run_script(self.report("base", [1]), self.report("other", [9]))
        self.assertEqual(got.returncode, 0)
        self.assertIn("too few repetitions", got.stdout)

    def test_benchmarks_of_one_file_only_are_listed(self):
        both = self.directory / "both"
        report = json.loads(self.report("base", [1, 2]).read_text())
        both.write_text(json.dumps({"program_bench": report}))
        got = self.run_script(self.report("other", [1, 2]), both)
        self.assertEqual(got.returncode, 0)
        self.assertRegex(got.stdout, r"b .*only in the first\nprogram_bench: b .*only in the second")

    def test_files_that_are_none(self):
        base = self.report("base", [1])
        missing = self.run_script(base, self.directory / "missing")
        self.assertEqual(missing.returncode, 4)
        self.assertIn("missing: error: No such file", missing.stderr)
        for text in ("{", "[]", '{"benchmarks": [{}]}', "3"):
            (self.directory / "bad").write_text(text)
            self.assertEqual(self.run_script(base, self.directory / "bad").returncode, 4, text)

    def test_the_command_line_is_checked(self):
        self.assertEqual(self.run_script("one").returncode, 2)
        self.assertEqual(self.run_script("a", "b", "--ratio", "0.5").returncode, 2)


if __name__ == "__main__":
    unittest.main()
