"""CIFAR-10: two networks, each captured layer by layer at ten checkpoints of its training (thesis 5.7.1).

The images are those of the file `$MISTIQUE_CIFAR10`; where that is not set, pictures of digits take their place.
A run of about a minute on two cores: `{"rows": 300, "epochs": 4, "every": 2}`. Each checkpoint is a model of its own,
such as `cifar10.cnn_epoch03`, whose intermediates are its layers.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from airflow.configuration import AIRFLOW_HOME
from airflow.sdk import DAG, Param, task

from mistique_core.workflows.class_predictions import class_predictions
from operators import LogIntermediatesOperator, TrainKerasOperator

if TYPE_CHECKING:
    import pandas as pd

PROJECT = "cifar10"
CODE = "mistique_core.workflows.cifar"
TRUTH = {"label": "class"}
IMAGES = {"rows": "{{ params.rows }}"}
SIZES = {
    "rows": Param(1_000, type="integer", minimum=10, title="Images", description="The last fifth of them validates."),
    "epochs": Param(10, type="integer", minimum=1, title="Epochs"),
    "every": Param(1, type="integer", minimum=1, title="Epochs between checkpoints"),
    "scheme": Param(
        None,
        type=["null", "string"],
        title="Scheme of the layers' values",
        description="Such as pool(2)+float16, the thesis's default, or lossless. Without it each layer's size decides.",
    ),
}
SETTINGS = {"schedule": None, "catchup": False, "tags": ["mistique", "cifar10"], "render_template_as_native_obj": True}


def labels(rows: int) -> pd.DataFrame:
    """Return what each image shows, by the row ids that its activations have."""
    import pandas as pd

    from mistique_core.workflows.cifar import read_images

    found = read_images(rows)
    names = pd.Categorical.from_codes(found.labels, list(found.class_names))
    return pd.DataFrame({"label": found.labels, "class": names}).rename_axis("row_id")


def output(report: dict[str, Any]) -> Any:
    """Return the reference of the last layer."""
    return report["output"]


def predictions(model: str) -> Any:
    """Return the stage that says what each checkpoint predicts, one after the other: the last one is made last."""
    return task.stage(task_id="predictions", project=PROJECT, model=model, row_wise=True, max_active_tis_per_dagrun=1)(
        class_predictions
    )


with DAG(
    "cifar10_cnn",
    doc_md=f"{__doc__}\nCIFAR10_CNN is trained from scratch. Its checkpoints are files, captured by a task each.",
    default_args={"project": PROJECT, "model": "cnn"},
    params={
        **SIZES,
        "folder": Param(
            os.path.join(AIRFLOW_HOME, "checkpoints"),  # noqa: PTH118
            type="string",
            minLength=1,
            title="Folder of the checkpoints",
        ),
    },
    **SETTINGS,
) as cnn:
    shown = task.stage(project=PROJECT, model="cnn")(labels)(rows="{{ params.rows }}")
    train = TrainKerasOperator(
        task_id="train",
        model_function=f"{CODE}:build_cnn",
        data_function=f"{CODE}:training_data",
        data_arguments=IMAGES,
        epochs="{{ params.epochs }}",
        every="{{ params.every }}",
        folder="{{ params.folder }}/cifar10_cnn/{{ run_id | replace(':', '_') }}",
    )
    capture = LogIntermediatesOperator.partial(
        task_id="capture",
        project=PROJECT,
        input_function=f"{CODE}:network_input",
        input_arguments=IMAGES,
        scheme="{{ params.scheme }}",
        max_active_tis_per_dagrun=2,
    ).expand_kwargs(train.output)
    predictions("cnn").partial(labels=shown, **TRUTH).expand(layer=capture.output.map(output))

with DAG(
    "cifar10_vgg16",
    doc_md=f"{__doc__}\nCIFAR10_VGG16 has thirteen frozen convolutions; two dense layers are trained. The task that "
    "trains captures each checkpoint too. A frozen layer gives the same each time, and so is stored once.",
    default_args={"project": PROJECT, "model": "vgg16"},
    params={
        **SIZES,
        "conv_weights": Param(
            None,
            type=["null", "string"],
            title="Weights of the convolutions",
            description="A .npz file with w00, w01, ...: kernel and bias of each. Without it they are drawn.",
        ),
    },
    **SETTINGS,
) as vgg16:
    shown = task.stage(project=PROJECT, model="vgg16")(labels)(rows="{{ params.rows }}")
    train = TrainKerasOperator(
        task_id="train",
        model_function=f"{CODE}:build_vgg16",
        model_arguments={"conv_weights": "{{ params.conv_weights }}"},
        data_function=f"{CODE}:training_data",
        data_arguments=IMAGES,
        epochs="{{ params.epochs }}",
        every="{{ params.every }}",
        input_function=f"{CODE}:network_input",
        input_arguments=IMAGES,
        scheme="{{ params.scheme }}",
    )
    predictions("vgg16").partial(labels=shown, **TRUTH).expand(layer=train.output.map(output))
