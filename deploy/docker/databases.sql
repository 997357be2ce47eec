-- Runs once, when PostgreSQL's volume is empty: MLflow keeps its tables apart from the journal's.
CREATE DATABASE mlflow;
