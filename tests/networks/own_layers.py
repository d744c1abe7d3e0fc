"""A layer of a user's own."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="tests")
class Scaled(keras.layers.Layer):  # type: ignore[misc]
    """Multiplies by a learned number."""

    def __init__(self, start: float = 2.0, **options: Any) -> None:
        super().__init__(**options)
        self.start = start
        self.factor = self.add_weight(shape=(), initializer=keras.initializers.Constant(start), name="factor")

    def call(self, values: Any) -> Any:
        return values * self.factor

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "start": self.start}


@keras.saving.register_keras_serializable(package="tests")
class Noise(keras.layers.Layer):  # type: ignore[misc]
    """Adds random numbers, in inference too."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.generator = keras.random.SeedGenerator(1)

    def call(self, values: Any) -> Any:
        return values + keras.random.normal(keras.ops.shape(values), seed=self.generator)
