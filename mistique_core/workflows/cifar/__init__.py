"""The CIFAR-10 workload (thesis 5.7.1): its images, and the networks CIFAR10_CNN and CIFAR10_VGG16.

Importing this loads neither TensorFlow nor scikit-learn; the functions do.
"""

from mistique_core.workflows.cifar.cnn import build_cnn
from mistique_core.workflows.cifar.feeds import network_input, training_data
from mistique_core.workflows.cifar.images import Images, prepare, read_images
from mistique_core.workflows.cifar.vgg16 import build_vgg16

__all__ = ["Images", "build_cnn", "build_vgg16", "network_input", "prepare", "read_images", "training_data"]
