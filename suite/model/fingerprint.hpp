#pragma once

#include <map>
#include <string>

namespace bitquake::model {

/// Library versions and the instruction sets that ATen, oneDNN and BLAS use on this machine: what,
/// besides a scenario, decides the last bits of a result. Pinned by the environment variables
/// ATEN_CPU_CAPABILITY, DNNL_MAX_CPU_ISA and OPENBLAS_CORETYPE.
std::map<std::string, std::string> numeric_fingerprint();

/// The engine that quantised operators run on, as LibTorch spells it: "ONEDNN".
std::string quantized_engine();

/// All that this LibTorch has: "QNNPACK, ONEDNN".
std::string quantized_engines();

/// One intra-op thread for the calling thread in ATen, and one for BLAS: workers parallelise over
/// samples, and thread counts can change bits. Cheap to call again.
void use_one_inner_thread();

/// Intra-op threads of the calling thread, as ATen sees them.
int inner_threads();

}  // namespace bitquake::model
