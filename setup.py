"""The optional compiled part; everything else is in ``pyproject.toml``."""

from setuptools import Extension, setup

# Without a compiler the build goes on without it, and NumPy does the same work in more passes.
KERNELS = Extension(
    "mistique_core.native._kernels",
    ["mistique_core/native/_kernels.c"],
    # The results have to be NumPy's, bit for bit: no fused multiply-add, no arithmetic that is not IEEE's.
    extra_compile_args=["-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fno-strict-aliasing"],
    define_macros=[("Py_LIMITED_API", "0x030B0000")],
    py_limited_api=True,
    optional=True,
)

setup(ext_modules=[KERNELS])
