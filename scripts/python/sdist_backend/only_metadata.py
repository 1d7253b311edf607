"""Lets `pip download` fetch source distributions without building anything.

pip asks a source distribution's build backend for metadata even when it only downloads. Real backends
would need a whole build environment for that answer (NumPy's a compiler, others an installed
PyTorch). With --no-build-isolation and this folder on PYTHONPATH pip asks here instead: the modules
beside this one have the backends' names. We only want sources from inside.
"""
import os


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    name = os.environ["VATTENTION_SDIST_NAME"]
    version = os.environ["VATTENTION_SDIST_VERSION"]
    folder = "%s-%s.dist-info" % (name.replace("-", "_"), version)
    os.makedirs(os.path.join(metadata_directory, folder))
    with open(os.path.join(metadata_directory, folder, "METADATA"), "w") as file:
        file.write("Metadata-Version: 2.1\nName: %s\nVersion: %s\n" % (name, version))
    return folder
