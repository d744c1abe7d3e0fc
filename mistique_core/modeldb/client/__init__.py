"""Tracing of scripts: what scikit-learn, XGBoost, LightGBM and Keras are called with becomes events of ModelDB."""
