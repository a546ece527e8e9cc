"""MLServer with a runtime of one's own. Arguments: the model's file, the port, the largest batch (1: no batching)."""

import asyncio
import logging
import sys

import joblib
import numpy as np
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec
from mlserver.settings import ModelParameters
from mlserver.types import InferenceRequest, InferenceResponse


class Classifier(MLModel):
    async def load(self) -> bool:
        self._model = joblib.load(self.settings.parameters.uri)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        rows = NumpyCodec.decode_input(payload.inputs[0])
        output = NumpyCodec.encode_output("predictions", np.asarray(self._model.predict(rows)))
        return InferenceResponse(model_name=self.name, outputs=[output])


async def main() -> None:
    path, port, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    settings = Settings(
        debug=False,  # and with it no access log
        host="127.0.0.1",
        http_port=port,
        grpc_port=port + 1,
        metrics_endpoint=None,
        parallel_workers=0,  # one process: the fastest for one model
        load_models_at_startup=False,
    )
    model = ModelSettings(
        name="model",
        implementation=Classifier,
        parameters=ModelParameters(uri=path),
        max_batch_size=batch if batch > 1 else 0,
        max_batch_time=0.001 if batch > 1 else 0,
    )
    logging.getLogger("uvicorn.access").disabled = True
    await MLServer(settings).start([model])


if __name__ == "__main__":
    asyncio.run(main())
