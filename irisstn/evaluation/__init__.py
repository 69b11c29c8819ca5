"""Recognition performance of strips or embeddings: comparisons, error rates and their confidence intervals."""

from irisstn.evaluation.comparisons import Comparisons, compare_all
from irisstn.evaluation.counted import CountedComparisons
from irisstn.evaluation.discard import DiscardCurve, discard_curve, read_quality_scores
from irisstn.evaluation.error_rates import FMR_LEVELS, RESAMPLES, ErrorRates, Estimate, error_rates
from irisstn.evaluation.evaluate import evaluate_codes, evaluate_embeddings
from irisstn.evaluation.folder import evaluate_folder, scores_of_folder
from irisstn.evaluation.identification import FPIR_LEVELS, IdentificationRates, identification_rates
from irisstn.evaluation.output_identities import identities_of_outputs
from irisstn.evaluation.score_files import read_scores, write_scores
from irisstn.evaluation.scores import Scores, scores_of
from irisstn.evaluation.search_folders import SearchSummary, search_folders
from irisstn.evaluation.templates import Templates, read_templates, score_blocks

__all__ = [
    "FMR_LEVELS",
    "FPIR_LEVELS",
    "RESAMPLES",
    "Comparisons",
    "CountedComparisons",
    "DiscardCurve",
    "ErrorRates",
    "Estimate",
    "IdentificationRates",
    "Scores",
    "SearchSummary",
    "Templates",
    "compare_all",
    "discard_curve",
    "error_rates",
    "evaluate_codes",
    "evaluate_embeddings",
    "evaluate_folder",
    "identification_rates",
    "identities_of_outputs",
    "read_quality_scores",
    "read_scores",
    "read_templates",
    "score_blocks",
    "scores_of",
    "scores_of_folder",
    "search_folders",
    "write_scores",
]
