"""Reads the files of a campaign without any code of Bitquake: h5py, numpy, json, csv.

Usage: h5py_check.py BITQUAKE MODEL. Exits with 77 when h5py is missing (ctest: skipped).
"""

import csv
import hashlib
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

try:
    import h5py
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing} (Debian: python3-h5py)")
    sys.exit(77)

SAMPLES, EPOCHS, CLASSES = 100, 20, 10
OUTCOMES = {"due": 0, "masked": 1, "benign": 2, "sde": 3}
FIELDS = {"mantissa": (0, 22), "exponent": (23, 30), "sign": (31, 31)}
SCENARIO = """\
version: 1
model: {{file: {model}, input: [1, 28, 28], output: logits}}
data: {{name: noise, images: images, labels: labels}}
preprocess: {{mean: [0.2860], std: [0.3530]}}
faults: {{epochs: {epochs}, target: {target}}}
"""


def require(condition, what):
    if not condition:
        sys.exit(f"h5py_check: failed: {what}")


def write_data(directory):
    pixels = np.random.RandomState(1).randint(0, 256, SAMPLES * 28 * 28, dtype=np.uint8)
    labels = np.arange(SAMPLES, dtype=np.uint8) % CLASSES
    header = struct.pack(">IIII", 0x803, SAMPLES, 28, 28)
    (directory / "images").write_bytes(header + pixels.tobytes())
    (directory / "labels").write_bytes(struct.pack(">II", 0x801, SAMPLES) + labels.tobytes())


def require_seal(path):
    data, seal = path.read_bytes()[:-72], path.read_bytes()[-72:]
    require(seal == b"sha256:%s\n" % hashlib.sha256(data).hexdigest().encode(),
            f"{path.name} is sealed")


def columns(file):
    """{group: {column: values}} of a file; checks that columns document themselves."""
    tables = {}
    for group in file.values():
        require(isinstance(group, h5py.Group), f"{file.filename}: {group.name} is a group")
        table = {}
        for name, dataset in group.items():
            require(dataset.ndim == 1, f"{dataset.name} has one dimension")
            for attribute in ("units", "doc"):
                text = dataset.attrs.get(attribute, "")
                text = text.decode() if isinstance(text, bytes) else text
                require(text != "", f"{dataset.name} has the attribute {attribute}")
            table[name] = dataset[:]
        require(len({len(column) for column in table.values()}) == 1,
                f"columns of {group.name} have equal length")
        tables[group.name.strip("/")] = table
    return tables


def require_rate(rate, hits, n, what):
    got = (int(rate["k"]), int(rate["n"]))
    require(got == (int(hits), int(n)), f"{what}: summary {got}, recount {(hits, n)}")
    if n > 0:
        require(float(rate["rate"]) == int(hits) / int(n), f"{what}: rate is k / n")


def check(output, target):
    for path in (output / "faults.h5", output / "trials.h5"):
        require_seal(path)
    with h5py.File(output / "faults.h5", "r") as file:
        faults_file = columns(file)
    with h5py.File(output / "trials.h5", "r") as file:
        trials_file = columns(file)
    faults, groups, sites = (faults_file[name] for name in ("faults", "groups", "sites"))
    trials, injections, golden = (trials_file[name] for name in ("trials", "injections", "golden"))
    n = SAMPLES * EPOCHS
    require(len(trials["trial"]) == len(injections["trial"]) == len(faults["site"]) == n, "rows")

    # Trial, group and fault belong together as documented.
    require((trials["trial"] == trials["epoch"] * np.uint64(SAMPLES) + trials["sample"]).all(),
            "trials are numbered by (epoch, sample)")
    require((trials["perturbation"] == 0).all(), "no image is perturbed")
    require((groups["epoch"][trials["group"]] == trials["epoch"]).all(), "epoch of the group")
    require((groups["slot"][trials["group"]] == trials["sample"]).all(), "slot of the group")
    require((groups["first_fault"][trials["group"]] == trials["first_fault"]).all(), "first fault")
    require((injections["fault"] == trials["first_fault"]).all(), "one injection for each trial")

    # Exactly the bits of the mask changed.
    mask = faults["bit_mask"][injections["fault"]]
    require((injections["reached"] == 1).all(), "every site is reached")
    require((injections["original_bits"] ^ injections["corrupted_bits"] == mask).all(),
            "a bit flip changes the bits of its mask and no others")
    limit = sites["weights" if target == "weights" else "neurons"][faults["site"]]
    require((faults["element"] < limit).all(), "elements lie inside their tensor")

    # The tables, counted again.
    summary = json.loads((output / "summary.json").read_text())
    tables = summary["conditions"][0]
    require(tables["perturbation"] == "clean", "the only perturbation is none")
    overall = tables["overall"]
    outcome = trials["outcome"]
    require(len(np.unique(outcome)) >= 3, "the campaign has at least three different outcomes")
    for name, code in OUTCOMES.items():
        require_rate(overall[name], (outcome == code).sum(), n, name)
    for name in ("sdc5", "sdc10", "sdc20"):
        require_rate(overall[name], trials[name].sum(), n, name)
    require((golden["skipped"] == 0).all(), "no sample is skipped")
    require(((golden["top1"] == golden["label"]) == (golden["label_rank"] == 0)).all(),
            "a golden run is right when its label has rank 0")
    for k, name in ((1, "top1"), (5, "top5")):
        require_rate(overall[f"golden_{name}"], (golden["label_rank"] < k).sum(), SAMPLES, name)
        require_rate(overall[f"faulty_{name}"], (trials["label_rank"] < k).sum(), n, name)

    changed = trials["faulty_top1"] != golden["top1"][trials["sample"]]
    require((changed[outcome == OUTCOMES["sde"]]).all(), "an SDE changes the top-1 class")
    require((~changed[np.isin(outcome, [OUTCOMES["masked"], OUTCOMES["benign"]])]).all(),
            "masked and benign keep the top-1 class")
    same_hash = trials["output_hash"] == golden["output_hash"][trials["sample"]]
    require((same_hash[outcome == OUTCOMES["masked"]]).all(), "masked: the same output")
    require((~same_hash[np.isin(outcome, [OUTCOMES["benign"], OUTCOMES["sde"]])]).all(),
            "benign and sde: another output")

    bit = np.log2(faults["bit_mask"][trials["first_fault"]].astype(np.float64)).astype(int)
    for field, (low, high) in FIELDS.items():
        inside = (bit >= low) & (bit <= high)
        for name, code in OUTCOMES.items():
            hits = (inside & (outcome == code)).sum()
            require_rate(tables["bit_fields"][field][name], hits, inside.sum(), f"{field} {name}")
    paths = [path.decode() for path in sites["path"]]
    site = faults["site"][trials["first_fault"]]
    with open(output / "kpi" / "site.csv", newline="") as file:
        for row in csv.DictReader(file):
            if row["metric"] in OUTCOMES:
                inside = site == paths.index(row["site"])
                hits = (inside & (outcome == OUTCOMES[row["metric"]])).sum()
                require_rate(row, hits, inside.sum(), f"{row['site']} {row['metric']}")


def check_bounds(path):
    require_seal(path)
    with h5py.File(path, "r") as file:
        sites, channels = file["sites"], file["channels"]
        low, high = sites["low"][:], sites["high"][:]
        require((low < high).all(), "bounds: low is below high")
        require(file.attrs["samples"] == SAMPLES, "bounds: samples")
        starts = np.concatenate([[0], np.cumsum(sites["channels"][:])[:-1]]).astype(int)
        for name, join in (("low", np.minimum), ("high", np.maximum), ("finite", np.add)):
            require((join.reduceat(channels[name][:], starts) == sites[name][:]).all(),
                    f"bounds: {name} of a site is that of its channels")
        require((channels["site"][:][starts] == np.arange(len(low))).all(), "bounds: channels")
        values = file["percentiles/value"][:]
        require(values.shape == (len(low), len(file["percentiles/percent"])), "percentiles")
        require((np.diff(values, axis=1) >= 0).all(), "percentiles ascend")
        require(((values[:, 0] >= low) & (values[:, -1] <= high)).all(), "percentiles lie inside")


def main(bitquake, model):
    with tempfile.TemporaryDirectory(prefix="bitquake_h5py_") as name:
        directory = pathlib.Path(name)
        write_data(directory)
        for target in ("neurons", "weights"):
            scenario, output = directory / f"{target}.yaml", directory / target
            scenario.write_text(SCENARIO.format(model=model, epochs=EPOCHS, target=target))
            subprocess.run([bitquake, "run", str(scenario), "-q", "-o", str(output)], check=True,
                           stdout=subprocess.DEVNULL)
            check(output, target)
        bounds = directory / "bounds.h5"
        subprocess.run([bitquake, "bounds", str(directory / "neurons.yaml"), "-q", "-o", str(bounds)],
                       check=True, stdout=subprocess.DEVNULL)
        check_bounds(bounds)


main(sys.argv[1], pathlib.Path(sys.argv[2]).resolve())
