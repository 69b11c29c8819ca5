"""The tests that `make quick` leaves out: they start processes, train, compile, render many eyes or run on Ray.

A file without names is slow as a whole. `python -m pytest --durations 40` shows what belongs here: a test is slow from
about one second of CPU time on.
"""

SLOW: dict[str, set[str]] = {
    "test_align.py": set(),
    "test_batch.py": {
        "test_a_job_that_cannot_start_ends_the_run",
        "test_a_second_run_skips_what_is_valid_and_repeats_what_changed",
        "test_fail_fast_ends_early_and_the_next_run_resumes",
        "test_the_manifest_survives_a_cut_at_any_byte",
    },
    "test_batch_disks.py": set(),
    "test_batch_ended.py": set(),
    "test_batch_ray.py": set(),
    "test_worker_server.py": {
        "test_the_server_has_one_thread_and_outlives_signals_and_crashes_of_its_workers",
        "test_a_command_gives_the_same_with_workers_from_the_server",
        "test_a_command_runs_with_its_streams_closed",
        "test_what_cannot_be_printed_is_told_in_one_line",
        "test_the_server_imports_nothing_from_the_current_folder",
    },
    "test_batch_remote.py": set(),
    "test_commands_agree.py": set(),
    "test_batch_jobs.py": {
        "test_segment_gives_the_same_bytes_with_more_workers",
        "test_how_much_of_the_roll_is_corrected",
        "test_strips_of_segment_are_rotated_by_its_eyelids_like_their_photographs",
        "test_rectify_of_eyes_at_the_identity_is_the_rubber_sheet",
    },
    "test_distillation.py": {"test_a_student_is_trained_and_a_killed_command_goes_on"},
    "test_report.py": {"test_a_browser_filters_sorts_and_enlarges"},
    "test_benchmarks.py": {
        "test_no_record_is_lost_or_doubled_by_kills",
        "test_commands_are_killed_and_cut_off_and_give_the_same_files",
        "test_damaged_files_each_get_a_record",
        "test_memory_does_not_grow_with_the_number_of_images",
        "test_the_baseline_and_the_whole_run_are_measured_on_the_same_images",
        "test_the_cost_of_many_records_and_embeddings_is_measured",
        "test_foreign_circles_are_measured_before_and_after_rectification",
    },
    "test_cli.py": {
        "test_ctrl_c_ends_with_130_and_the_next_run_resumes",
        "test_failures_are_counted_and_listed_and_exit_with_3",
        "test_outputs_are_written_to_the_current_folder",
        "test_synth_takes_the_number_of_captures_under_two_names",
        "test_synth_then_rectify_with_own_weights_and_variants",
        "test_the_page_loads_nothing_from_elsewhere_and_lists_failures",
    },
    "test_counted_comparisons.py": {"test_they_agree_with_all_pairs_in_memory"},
    "test_comparison.py": {"test_match_of_two_pictures_prints_score_thresholds_and_decision"},
    "test_documentation.py": {
        "test_the_examples_of_getting_started_run",
        "test_the_figures_can_be_made",
        "test_the_pages_build_without_a_warning",
    },
    "test_evaluation.py": {
        "test_no_torch_is_needed",
    },
    "test_images.py": {
        "test_damaged_files_are_read_or_refused",
    },
    "test_iso_images.py": {
        "test_segment_writes_them_with_their_places_and_overwrite_removes_them",
        "test_rectify_adds_the_roll_in_degrees",
    },
    "test_layers.py": {
        "test_no_process_is_forked",
    },
    "test_matching.py": set(),
    "test_identities.py": {
        "test_commands_refuse_wrong_identities_before_they_read_anything",
        "test_training_refuses_them_as_well_and_takes_a_table_as_data",
    },
    "test_gallery_search.py": {"test_search_writes_over_its_own_results_alone"},
    "test_measurements.py": {
        "test_an_output_folder_is_read_as_it_is",
        "test_each_picture_has_a_row_with_its_figures_or_the_reason",
        "test_quality_of_one_picture_is_a_table",
        "test_the_page_of_evaluate_shows_the_curve_where_qualities_are_known",
    },
    "test_misuse.py": {"test_workers_that_end_at_once_end_the_run"},
    "test_extras.py": {"test_photographs_become_strips_without_any_extra"},
    "test_onnx_runtime.py": set(),
    "test_open_iris_adapter.py": {"test_records_of_rectify_become_its_types"},
    "test_osiris_benchmark.py": set(),
    "test_pipeline.py": {"test_several_threads_get_what_one_gets"},
    "test_pipelines.py": {"test_rendered_eyes_from_end_to_end"},
    "test_pipelines_mnist.py": set(),
    "test_provenance.py": {
        "test_scores_beside_a_manifest_that_differs_are_refused",
        "test_scores_of_an_earlier_content_are_refused",
    },
    "test_public_names.py": {"test_the_rectifier_imports_torch", "test_torch_is_not_imported_before_it_is_needed"},
    "test_readme.py": {"test_the_six_lines_run"},
    "test_rectification_alignment.py": {"test_one_comparison_of_another_capture_is_as_good_as_a_search"},
    "test_rectification_onnx_export.py": set(),
    "test_rectification_rectifier.py": {"test_every_transform_starts_at_the_identity"},
    "test_rectification_rectifier_network.py": {
        "test_gradients_are_finite_on_flat_and_fully_masked_strips",
        "test_it_exports_for_any_batch",
    },
    "test_rectification_variants.py": {"test_variants_are_plausible_distinct_and_repeatable"},
    "test_segmentation_checks.py": {
        "test_overexposed_pictures_are_found_or_refused",
    },
    "test_segmentation_input_kind.py": {
        "test_a_round_field_of_view_and_burnt_out_skin_are_photographs",
        "test_flat_bars_around_a_photograph_change_nothing",
    },
    "test_sklearn.py": set(),
    "test_stages.py": {
        "test_pictures_pass_each_network_once",
        "test_every_stage_of_every_command_is_measured",
    },
    "test_stn_ring.py": {"test_a_known_pupils_share_of_any_size_stays_finite"},
    "test_stn_transformer.py": {"test_compiles_whole", "test_exports", "test_it_learns_to_undo_a_roll"},
    "test_stn_transforms.py": {
        "test_affine_and_projective_warps_equal_kornias",
        "test_gradients_are_right_through_theta_and_image",
    },
    "test_synthetic.py": {
        "test_same_seeds_same_bytes",
        "test_write_eyes",
        "test_any_capture_renders",
        "test_typical_captures_of_one_eye_correlate_more_than_different_eyes",
    },
    "test_training.py": set(),
    "test_training_devices.py": set(),
    "test_training_interrupted.py": set(),
    "test_training_segmenter.py": set(),
    "test_training_starting_weights.py": set(),
    "test_training_strips.py": set(),
    "test_videos.py": {
        "test_each_frame_is_a_sample_with_its_trust_and_another_run_resumes",
        "test_a_video_that_breaks_off_leaves_the_frames_before",
    },
    "test_visualization_side_by_side.py": {
        "test_one_picture_for_each_input_the_same_from_every_run",
        "test_pictures_are_a_setting_of_the_output",
    },
    "test_weights_file.py": {
        "test_files_that_are_no_weights_are_named",
    },
    "test_whitening.py": set(),
}
