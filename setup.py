"""The optional compiled parts; everything else is in ``pyproject.toml``."""

from setuptools import Extension, setup

LOOPS = {
    "_compressor": ["_rooms.h"],
    "_kernels": ["_bins.h", "_digits.h", "_strings.h", "_zeros.h"],
    "_pages": ["_frames.h", "_rooms.h", "_rows.h", "_values.h"],
}


def compiled(name: str, headers: list[str]) -> Extension:
    """Return a module in C, without which the build goes on where there is no compiler: NumPy does the same work."""
    return Extension(
        f"mistique_core.native.{name}",
        [f"mistique_core/native/{name}.c"],
        depends=[f"mistique_core/native/{header}" for header in headers],
        # The results have to be NumPy's, bit for bit: no fused multiply-add, no arithmetic that is not IEEE's.
        extra_compile_args=[
            "-O3",
            "-ffp-contract=off",
            "-fno-math-errno",
            "-fno-trapping-math",
            "-fno-strict-aliasing",
        ],
        define_macros=[("Py_LIMITED_API", "0x030B0000")],
        py_limited_api=True,
        optional=True,
    )


setup(ext_modules=[compiled(name, headers) for name, headers in LOOPS.items()])
