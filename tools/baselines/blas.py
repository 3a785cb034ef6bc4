"""Which BLAS kernels a process runs, and how to get kernels that suit the processor.

A BLAS that does not know a processor falls back to kernels without AVX2: OpenBLAS 0.3.21 to Prescott's,
BLIS 0.9 to generic ones. Times beside those say nothing, so the tools choose kernels by hand then and
say so, or refuse.
"""

import ctypes
import os

# Names of kernels without AVX2 (OpenBLAS, then BLIS), in lower case.
OUTDATED = set("""katmai coppermine northwood banias yonah prescott core2 penryn dunnington nehalem atom nano athlon
opteron opteron_sse3 barcelona bobcat sandybridge bulldozer piledriver steamroller excavator unknown
generic""".split())
# What chooses the kernels of a process: the variable, and its values for AVX-512 and for AVX2.
CHOICES = {"OPENBLAS_CORETYPE": ("SkylakeX", "Haswell"), "BLIS_ARCH_TYPE": ("0", "3")}  # BLIS: skx, haswell
AVX512 = {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}


def cpu_flags():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        return next((set(line.split()) for line in file if line.startswith("flags")), set())


def is_outdated(kernels):
    """Whether the processor has AVX2 and the kernels of this name do not use it."""
    return "avx2" in cpu_flags() and kernels.lower() in OUTDATED


def kernels_in_use():
    """The BLAS library that this process has loaded, and the name of the kernels that it chose."""
    with open("/proc/self/maps", encoding="utf-8") as file:
        paths = sorted({line.split()[-1] for line in file if "libblas." in line or "libblis." in line})
    for path in paths:
        library = ctypes.CDLL(path)
        if hasattr(library, "openblas_get_corename"):
            library.openblas_get_corename.restype = ctypes.c_char_p
            return path, library.openblas_get_corename().decode()
    for path in paths:
        # Debian's BLIS exports its own functions from a second library in the same folder.
        beside = os.path.join(os.path.dirname(path), "libblis.so.4")
        if not os.path.exists(beside):
            continue
        library = ctypes.CDLL(beside)
        library.bli_init()
        library.bli_arch_string.restype = ctypes.c_char_p
        return path, library.bli_arch_string(library.bli_arch_query_id()).decode()
    return ", ".join(paths), "unknown"


def without_choices(environment):
    """The environment without variables that choose kernels, so that the BLAS chooses first."""
    dropped = set(CHOICES) | {"OPENBLAS_L2_SIZE"}
    return {name: value for name, value in environment.items() if name not in dropped}


def choose_kernels(environment):
    """Chooses AVX-512 or AVX2 kernels in the environment of a process; returns what it set, for the output."""
    fits_avx512 = AVX512 <= cpu_flags()
    chosen = {name: values[0 if fits_avx512 else 1] for name, values in CHOICES.items()}
    environment.update(chosen)
    return " ".join(f"{name}={value}" for name, value in chosen.items())
