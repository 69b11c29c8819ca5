"""How well strips or embeddings recognise their owners: comparisons, error rates and their confidence intervals."""

from irisstn.evaluation.comparisons import Comparisons, compare_all
from irisstn.evaluation.error_rates import FMR_LEVELS, ErrorRates, Estimate, error_rates
from irisstn.evaluation.evaluate import evaluate_codes, evaluate_embeddings
from irisstn.evaluation.folder import Enrolment, evaluate_folder, read_enrolment

__all__ = [
    "FMR_LEVELS",
    "Comparisons",
    "Enrolment",
    "ErrorRates",
    "Estimate",
    "compare_all",
    "error_rates",
    "evaluate_codes",
    "evaluate_embeddings",
    "evaluate_folder",
    "read_enrolment",
]
