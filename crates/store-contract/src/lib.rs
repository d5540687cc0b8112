//! The test suite that every store must pass: one test for each guarantee of the storage traits.
//!
//! A backend calls [`store_contract!`] with a function that opens an empty sandbox store, and one that damages a document. The cases here do not know
//! the backend, and call only the traits.

mod accounts;
mod admins;
mod damage;
mod deliveries;
mod documents;
mod events;
mod fallbacks;
mod handovers;
mod idempotency;
mod numbers;
mod people;
mod retention;
mod statistics;
mod undelivered;
mod visits;
mod volumes;
mod webhooks;
pub mod world;

pub use accounts::*;
pub use admins::*;
pub use damage::*;
pub use deliveries::*;
pub use documents::*;
pub use events::*;
pub use fallbacks::*;
pub use handovers::*;
pub use idempotency::*;
pub use numbers::*;
pub use people::*;
pub use retention::*;
pub use statistics::*;
pub use undelivered::*;
pub use visits::*;
pub use volumes::*;
pub use webhooks::*;

/// Generates one test per case. `$open` is an `async fn() -> (Arc<dyn Store>, Guard)` that opens an empty sandbox
/// store, which lives as long as the guard. `$damage` is an `async fn(&Guard, BinderId)` that damages the own part of a
/// document past the store, as [`damaged_parts`] does.
#[macro_export]
macro_rules! store_contract {
    ($open:path, $damage:path) => {
        $crate::store_contract!(@damage $open, $damage;
            one_damaged_document_is_alone, an_unreadable_document_is_given_up,
        );
        $crate::store_contract!(@cases $open;
            tokens_open_their_own_institution_alone, the_use_of_a_token_is_noted, contracts_close_once, the_day_is_counted,
            a_token_is_changed_without_changing_it, an_institution_is_changed_and_suspended,
            an_agency_lists_its_own_institutions, an_institutions_template_is_kept, the_platforms_templates_are_kept, a_silent_contract_notifies_nobody,
            admin_tokens_identify_their_owners, admins_are_listed_by_kind, actions_are_recorded,
            receivers_are_identified, refusals_hold_for_one_institution, numbers_do_not_pass_to_others,
            a_number_moves_to_its_next_owner, numbers_move_within_one_request, a_number_moves_to_somebody_of_the_same_birthday, an_old_number_does_not_come_back, the_day_of_a_number_is_corrected,
            updates_keep_what_is_not_given, an_email_address_stays_until_it_changes, membership_is_never_taken_away,
            people_of_one_request_come_in_order, who_refuses_is_found_in_no_way,
            those_who_become_members_together_receive, pins_of_one_request_stay_apart,
            personas_are_there, an_acceptance_is_there_whole, documents_are_found_for_those_who_ask, statuses_keep_their_order_and_owner,
            shared_and_own_texts_read_back, one_of_many_verifications_wins,
            tokens_end_with_their_time, tokens_belong_to_their_document, reads_need_a_verified_token,
            times_are_set_once, expired_documents_do_not_open, a_read_document_does_not_open_after_its_deadline,
            members_receive_and_others_wait, a_join_during_the_acceptance_is_not_lost, joining_moves_what_waits, joining_moves_thousands_in_steps,
            institutions_take_turns, a_claim_is_held_by_one_worker, a_lease_that_ran_out_changes_nothing,
            retries_wait_for_their_time, expired_deliveries_are_dropped, a_depth_is_of_every_institution,
            given_up_is_shown, waiting_is_shown_and_hurried, given_up_is_sent_again,
            receipts_are_harmless_in_any_order, later_joiners_take_after_ten_seconds,
            a_handover_takes_its_documents_off_the_queue, a_lost_handover_is_found_once, awaited_reports_are_asked_for,
            a_handover_ends_with_its_documents, what_is_withdrawn_is_not_handed_over, a_provider_tells_what_it_has, abandoned_handovers_are_found,
            providers_are_limited_and_shown,
            a_fallback_is_begun_once, a_fallback_needs_a_reason, a_fallback_ends_when_the_notification_arrives,
            a_fallback_is_owed_whoever_holds_the_notification, a_refused_notification_goes_on_as_its_fallback,
            the_clock_moves_forward_only, work_wakes_a_waiting_worker,
            old_documents_are_removed, what_can_still_be_opened_is_kept, a_late_deadline_keeps_its_own_request_alone,
            a_box_is_found_among_thousands,
            a_key_recalls_its_items, one_of_many_with_a_key_is_whole, keys_are_forgotten_after_a_week,
            a_key_is_kept_as_long_as_its_youngest,
            links_let_in_once, sessions_end, five_wrong_attempts_lock, each_secret_has_its_own_lock, links_are_asked_for_in_bounds, a_box_is_its_owners,
            a_link_leads_to_its_document_until_the_deadline, a_pin_is_renewed, wrong_birthdays_lock,
            an_operator_unlocks, a_secret_is_changed_in_the_place_of_the_proved_one, agreements_are_kept, a_card_shows_what_the_operator_named,
            without_authentication_no_time_of_it,
            the_feed_has_every_step_once, a_feed_is_read_in_pages, a_step_at_the_same_time_is_told_once,
            deadlines_are_told_once, a_withdrawn_document_does_not_open, of_an_opening_and_a_withdrawal_one_succeeds,
            what_was_given_up_is_told, refusals_are_told_without_a_name, old_events_are_forgotten,
            events_outlive_their_documents,
            a_webhook_goes_on_where_it_was, a_webhook_that_is_moved_leaves_its_server,
            a_new_secret_signs_at_once_and_the_former_one_for_a_day, a_corrected_clock_stops_no_webhook,
            webhooks_of_an_institution_are_bounded,
            every_step_is_counted_on_its_day, refusals_are_counted_by_code,
            plans_are_announced_and_decided, the_watch_goes_on_where_it_was, more_than_was_announced_raises_one_alert,
        );
    };
    (@damage $open:path, $damage:path; $($case:ident,)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let (store, guard) = $open().await;
            let world = $crate::world::World::new(store).await;
            $crate::$case(world, async |document| $damage(&guard, document).await).await;
        }
    )*};
    (@cases $open:path; $($case:ident,)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let (store, _guard) = $open().await;
            $crate::$case($crate::world::World::new(store).await).await;
        }
    )*};
}
