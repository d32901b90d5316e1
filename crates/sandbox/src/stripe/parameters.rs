//! The parameters of every endpoint, by name; see [`super::names`] for how the lists are read.
//!
//! What Stripe takes and the stand-in does not is marked with `!`, so that it is refused by its name and not as unknown.

pub const READ: &str = "expand";
pub const PAGE: &str = "ending_before expand limit starting_after";

pub const CUSTOMER_CREATE: &str = "address(city country line1 line2 postal_code state) balance business_name !cash_balance(*) \
    description email expand individual_name invoice_prefix invoice_settings(!custom_fields(*) default_payment_method footer \
    !rendering_options(*)) metadata(*) name next_invoice_sequence payment_method phone preferred_locales \
    shipping(address(city country line1 line2 postal_code state) name phone) !source !tax(*) tax_exempt !tax_id_data(*) \
    test_clock !validate";
pub const CUSTOMER_UPDATE: &str = "address(city country line1 line2 postal_code state) balance business_name !cash_balance(*) \
    !default_source description email expand individual_name invoice_prefix invoice_settings(!custom_fields(*) \
    default_payment_method footer !rendering_options(*)) metadata(*) name next_invoice_sequence phone preferred_locales \
    shipping(address(city country line1 line2 postal_code state) name phone) !source !tax(*) tax_exempt !validate";
pub const CUSTOMER_LIST: &str = "created(= gt gte lt lte) email ending_before expand limit starting_after test_clock";

pub const PRODUCT_CREATE: &str = "active default_price_data(currency currency_options(*) !custom_unit_amount(*) metadata(*) \
    recurring(interval interval_count) tax_behavior unit_amount unit_amount_decimal) description expand id images \
    marketing_features(name) metadata(*) name !package_dimensions(*) !shippable statement_descriptor tax_code !tax_details(*) \
    type unit_label url";
pub const PRODUCT_UPDATE: &str = "active default_price description expand images marketing_features(name) metadata(*) name \
    !package_dimensions(*) !shippable statement_descriptor tax_code !tax_details(*) unit_label url";
pub const PRODUCT_LIST: &str =
    "active created(= gt gte lt lte) ending_before expand ids limit !shippable starting_after !type !url";

pub const PRICE_CREATE: &str = "active billing_scheme currency currency_options(*) !custom_unit_amount(*) expand lookup_key \
    metadata(*) nickname product product_data(active id metadata(*) name statement_descriptor tax_code !tax_details(*) \
    unit_label) recurring(interval interval_count meter trial_period_days usage_type) tax_behavior !tiers(*) !tiers_mode \
    transfer_lookup_key !transform_quantity(*) unit_amount unit_amount_decimal";
pub const PRICE_UPDATE: &str =
    "active currency_options(*) expand lookup_key metadata(*) nickname tax_behavior transfer_lookup_key";
pub const PRICE_LIST: &str = "active created(= gt gte lt lte) currency ending_before expand limit lookup_keys product \
    recurring(interval meter usage_type) starting_after type";

pub const METHOD_CREATE: &str = "billing_details(!address(*) email name phone) card(token number exp_month exp_year cvc) expand \
    metadata(*) type";
pub const METHOD_UPDATE: &str = "!allow_redisplay !billing_details(*) !card(*) expand metadata(*)";
pub const METHOD_LIST: &str =
    "!allow_redisplay customer !customer_account ending_before expand limit starting_after type";

pub const SESSION_CREATE: &str = "!adaptive_pricing(*) !after_expiration(*) allow_promotion_codes \
    !allowed_payment_method_types automatic_tax(enabled !liability(*)) billing_address_collection !branding_settings(*) \
    cancel_url client_reference_id !consent_collection(*) currency !custom_fields(*) !custom_text(*) customer \
    !customer_account customer_creation customer_email customer_update(address name shipping) \
    discounts(coupon promotion_code) !excluded_payment_method_types expand expires_at !integration_identifier \
    invoice_creation(enabled invoice_data(!account_tax_ids !custom_fields(*) !description !footer !issuer(*) metadata(*) \
    !rendering_options(*))) line_items(!adjustable_quantity(*) !metadata(*) price price_data(currency product \
    product_data(description images metadata(*) name tax_code !tax_details(*) unit_label) recurring(interval interval_count) \
    tax_behavior unit_amount unit_amount_decimal) quantity !tax_rates) locale !managed_payments(*) metadata(*) mode \
    !name_collection(*) !optional_items(*) !origin_context payment_intent_data(!application_fee_amount !capture_method \
    description metadata(*) !on_behalf_of !receipt_email !setup_future_usage !shipping(*) !statement_descriptor \
    !statement_descriptor_suffix !transfer_data(*) !transfer_group) payment_method_collection \
    !payment_method_configuration !payment_method_data(*) !payment_method_options(*) !permissions(*) \
    phone_number_collection(enabled) !redirect_on_completion !return_url !saved_payment_method_options(*) \
    !setup_intent_data(*) !shipping_address_collection(*) !shipping_options(*) submit_type \
    subscription_data(!application_fee_percent billing_cycle_anchor !billing_cycle_anchor_config(*) billing_mode(!flexible(*) \
    type) !default_tax_rates description !invoice_settings(*) metadata(*) !on_behalf_of !pending_invoice_item_interval(*) \
    proration_behavior !transfer_data(*) trial_end trial_period_days \
    trial_settings(end_behavior(missing_payment_method))) success_url tax_id_collection(enabled required) ui_mode \
    !wallet_options(*)";
pub const SESSION_LIST: &str = "created(= gt gte lt lte) customer !customer_account !customer_details(*) ending_before expand limit payment_intent \
    !payment_link starting_after status subscription";

pub const SUBSCRIPTION_CREATE: &str = "add_invoice_items(!discountable !discounts(*) !metadata(*) !period(*) price \
    price_data(currency product tax_behavior unit_amount unit_amount_decimal) quantity !tax_rates) !application_fee_percent \
    automatic_tax(enabled !liability(*)) !backdate_start_date billing_cycle_anchor !billing_cycle_anchor_config(*) \
    billing_mode(!flexible(*) type) !billing_schedules(*) !billing_thresholds(*) cancel_at cancel_at_period_end \
    collection_method currency customer !customer_account days_until_due default_payment_method !default_source \
    !default_tax_rates description discounts(coupon discount promotion_code) expand !invoice_settings(*) \
    items(!billing_thresholds(*) !current_trial(*) !discounts(*) metadata(*) !plan price price_data(currency product \
    recurring(interval interval_count) tax_behavior unit_amount unit_amount_decimal) quantity !tax_rates) metadata(*) \
    off_session !on_behalf_of payment_behavior payment_settings(!payment_method_options(*) !payment_method_types \
    save_default_payment_method) !pending_invoice_item_interval(*) proration_behavior \
    !transfer_data(*) trial_end !trial_from_plan trial_period_days \
    trial_settings(end_behavior(!billing_cycle_anchor missing_payment_method))";
pub const SUBSCRIPTION_UPDATE: &str = "!add_invoice_items(*) !application_fee_percent automatic_tax(enabled !liability(*)) \
    billing_cycle_anchor(type) !billing_schedules(*) !billing_thresholds(*) cancel_at cancel_at_period_end \
    cancellation_details(comment feedback !feedback_option) collection_method days_until_due default_payment_method \
    !default_source !default_tax_rates description discounts(coupon discount promotion_code) expand !invoice_settings(*) \
    items(!billing_thresholds(*) !clear_usage !current_trial(*) deleted !discounts(*) id metadata(*) !plan price \
    price_data(currency product recurring(interval interval_count) tax_behavior unit_amount unit_amount_decimal) quantity \
    !tax_rates) metadata(*) off_session !on_behalf_of pause_collection(behavior resumes_at) payment_behavior \
    payment_settings(!payment_method_options(*) !payment_method_types save_default_payment_method) \
    !pending_invoice_item_interval(*) proration_behavior proration_date !transfer_data(*) trial_end \
    !trial_from_plan trial_settings(end_behavior(!billing_cycle_anchor missing_payment_method))";
pub const SUBSCRIPTION_LIST: &str = "!automatic_tax(*) collection_method created(= gt gte lt lte) \
    current_period_end(= gt gte lt lte) current_period_start(= gt gte lt lte) customer !customer_account ending_before expand \
    limit !plan price starting_after status test_clock";
pub const SUBSCRIPTION_CANCEL: &str =
    "cancellation_details(comment feedback !feedback_option) expand invoice_now prorate";
pub const SUBSCRIPTION_RESUME: &str =
    "billing_cycle_anchor(type) expand !payment_behavior !proration_behavior !proration_date";

pub const ITEM_CREATE: &str = "!billing_thresholds(*) !current_trial(*) !discounts(*) !plan !tax_rates metadata(*) payment_behavior price price_data(currency product recurring(interval interval_count) \
    tax_behavior unit_amount unit_amount_decimal) proration_behavior proration_date quantity subscription expand";
pub const ITEM_UPDATE: &str = "!billing_thresholds(*) !current_trial(*) !discounts(*) expand metadata(*) off_session \
    payment_behavior !plan price price_data(currency product recurring(interval interval_count) tax_behavior unit_amount \
    unit_amount_decimal) proration_behavior proration_date quantity !tax_rates";
pub const ITEM_DELETE: &str = "!clear_usage payment_behavior proration_behavior proration_date";
pub const ITEM_LIST: &str = "ending_before expand limit starting_after subscription";

pub const PORTAL_SESSION: &str = "!after_expiration(*) configuration customer !customer_account expand \
    flow_data(after_completion(hosted_confirmation(custom_message) redirect(return_url) type) \
    subscription_cancel(!retention(*) subscription) !subscription_pause(*) subscription_update(subscription) \
    subscription_update_confirm(!discounts(*) items(id price quantity) subscription) type) locale !on_behalf_of return_url";
pub const PORTAL_CONFIGURATION: &str = "active business_profile(headline privacy_policy_url terms_of_service_url) \
    default_return_url expand features(customer_update(allowed_updates enabled) invoice_history(enabled) \
    payment_method_update(enabled !payment_method_configuration) subscription_cancel(cancellation_reason(enabled !feedback_options options) enabled \
    mode proration_behavior) !subscription_pause(*) subscription_update(billing_cycle_anchor default_allowed_updates enabled products(product prices \
    !adjustable_quantity(*)) proration_behavior schedule_at_period_end(conditions(type)) trial_update_behavior)) \
    !login_page(*) metadata(*) name";
pub const PORTAL_CONFIGURATION_LIST: &str = "active ending_before expand is_default limit starting_after";

pub const INVOICE_ITEM_CREATE: &str = "amount currency customer !customer_account description discountable !discounts(*) expand \
    invoice metadata(*) period(end start) price_data(currency product tax_behavior unit_amount unit_amount_decimal) \
    pricing(price) quantity !quantity_decimal subscription !tax_behavior !tax_code !tax_rates unit_amount_decimal";
pub const INVOICE_ITEM_UPDATE: &str = "amount description !discountable !discounts(*) expand metadata(*) !period(*) !price_data(*) \
    !pricing(*) quantity !quantity_decimal !tax_behavior !tax_code !tax_rates unit_amount_decimal";
pub const INVOICE_ITEM_LIST: &str =
    "created(= gt gte lt lte) customer !customer_account ending_before expand invoice limit pending starting_after";

pub const INVOICE_CREATE: &str = "!account_tax_ids !application_fee_amount auto_advance automatic_tax(enabled !liability(*)) \
    !automatically_finalizes_at collection_method currency !custom_fields(*) customer !customer_account days_until_due \
    default_payment_method !default_source !default_tax_rates description discounts(coupon discount promotion_code) !due_date \
    !effective_at expand footer !from_invoice(*) !issuer(*) metadata(*) number !on_behalf_of !payment_settings(*) \
    pending_invoice_items_behavior !rendering(*) !shipping_cost(*) !shipping_details(*) statement_descriptor subscription \
    !transfer_data(*)";
pub const INVOICE_UPDATE: &str = "!account_tax_ids !application_fee_amount auto_advance !automatic_tax(*) \
    !automatically_finalizes_at collection_method !custom_fields(*) days_until_due default_payment_method !default_source \
    !default_tax_rates description !discounts(*) !due_date !effective_at expand footer !issuer(*) metadata(*) number \
    !on_behalf_of !payment_settings(*) !rendering(*) !shipping_cost(*) !shipping_details(*) statement_descriptor \
    !transfer_data(*)";
pub const INVOICE_LIST: &str = "collection_method created(= gt gte lt lte) customer !customer_account \
    !due_date(= *) ending_before expand limit starting_after status subscription";
pub const INVOICE_PREVIEW: &str = "automatic_tax(enabled !liability(*)) currency customer !customer_account !customer_details(*) \
    discounts(coupon discount promotion_code) expand !invoice_items(*) !issuer(*) !on_behalf_of !preview_mode !schedule \
    !schedule_details(*) subscription subscription_details(billing_cycle_anchor(timestamp type) !billing_mode(*) \
    !billing_schedules(*) !cancel_at cancel_at_period_end cancel_now !default_tax_rates items(!billing_thresholds(*) \
    !clear_usage !current_trial(*) deleted !discounts(*) id metadata(*) !plan price price_data(currency product \
    recurring(interval interval_count) tax_behavior unit_amount unit_amount_decimal) quantity !tax_rates) metadata(*) \
    !pause(*) proration_behavior proration_date !resume_at !start_date trial_end)";
pub const INVOICE_FINALIZE: &str = "auto_advance expand";
pub const INVOICE_PAY: &str = "expand !forgive !mandate off_session paid_out_of_band payment_method !source";
pub const INVOICE_PAYMENT_LIST: &str = "ending_before expand invoice limit payment(payment_intent !payment_record type) starting_after status !created(= *)";

pub const INTENT_READ: &str = "client_secret expand";
pub const INTENT_CONFIRM: &str = "!allowed_payment_method_types !amount_details(*) !amount_to_confirm !capture_method client_secret \
    !confirmation_token !error_on_requires_action !excluded_payment_method_types expand !hooks(*) !mandate !mandate_data(*) \
    off_session !payment_details(*) payment_method !payment_method_data(*) !payment_method_options(*) !payment_method_types \
    !radar_options(*) !receipt_email return_url !setup_future_usage !shipping(*) use_stripe_sdk";
pub const INTENT_LIST: &str =
    "created(= gt gte lt lte) customer !customer_account ending_before expand limit starting_after";
pub const SETUP_CREATE: &str = "!automatic_payment_methods(*) confirm customer expand metadata(*) payment_method \
    !payment_method_options(*) !payment_method_types return_url usage \
    !allowed_payment_method_types !attach_to_self !confirmation_token !customer_account !description \
    !excluded_payment_method_types !flow_directions !mandate_data(*) !on_behalf_of !payment_method_configuration \
    !payment_method_data(*) !single_use(*) !use_stripe_sdk";
pub const CHARGE_UPDATE: &str =
    "!customer description expand !fraud_details(*) metadata(*) !receipt_email !shipping(*) !transfer_group";
pub const CHARGE_LIST: &str = "created(= gt gte lt lte) customer ending_before expand limit payment_intent starting_after \
    !transfer_group";
pub const REFUND_CREATE: &str = "amount charge !currency !customer expand !instructions_email metadata(*) !origin payment_intent \
    reason !refund_application_fee !reverse_transfer";
pub const METADATA: &str = "expand metadata(*)";
pub const OF_PAYMENT_LIST: &str =
    "charge created(= gt gte lt lte) ending_before expand limit payment_intent starting_after";

pub const EVENT_LIST: &str =
    "created(= gt gte lt lte) !delivery_success ending_before expand limit starting_after type types";
pub const ENDPOINT_CREATE: &str = "api_version !connect description enabled_events expand metadata(*) url";
pub const ENDPOINT_UPDATE: &str = "description disabled enabled_events expand metadata(*) url";

pub const COUPON_CREATE: &str = "amount_off !applies_to(*) currency !currency_options(*) duration duration_in_months expand id \
    max_redemptions metadata(*) name percent_off redeem_by";
pub const CODE_CREATE: &str = "active code customer expand expires_at max_redemptions metadata(*) promotion(coupon type) !restrictions(*) !customer_account";
pub const CODE_UPDATE: &str = "active expand metadata(*) !restrictions(*)";
pub const CODE_LIST: &str =
    "active code coupon created(= gt gte lt lte) customer !customer_account ending_before expand limit starting_after";

pub const METER_CREATE: &str = "customer_mapping(event_payload_key type) default_aggregation(formula) display_name event_name \
    event_time_window expand value_settings(event_payload_key)";
pub const METER_LIST: &str = "ending_before expand limit starting_after status";
pub const METER_EVENT: &str = "event_name expand identifier payload(*) timestamp";
pub const METER_ADJUSTMENT: &str = "cancel(identifier) event_name expand type";
pub const METER_SUMMARIES: &str =
    "customer end_time ending_before expand limit start_time starting_after !value_grouping_window";

pub const CLOCK_CREATE: &str = "expand frozen_time name";
pub const CLOCK_ADVANCE: &str = "expand frozen_time";

pub const SCHEDULE_CREATE: &str = "!billing_mode(*) !customer !customer_account !default_settings(*) !end_behavior expand \
    from_subscription metadata(*) !pause_schedules(*) !phases(*) !start_date";
pub const SCHEDULE_UPDATE: &str = "!default_settings(*) end_behavior expand metadata(*) !pause_schedules(*) \
    phases(!add_invoice_items(*) !application_fee_percent !automatic_tax(*) !billing_cycle_anchor !billing_thresholds(*) \
    !collection_method !currency !default_payment_method !default_tax_rates !description !discounts(*) \
    duration(interval interval_count) end_date !invoice_settings(*) items(!billing_thresholds(*) !discounts(*) metadata(*) !plan \
    price !price_data(*) quantity !tax_rates) metadata(*) !on_behalf_of proration_behavior start_date !transfer_data(*) !trial \
    !trial_end) !proration_behavior";
pub const SCHEDULE_LIST: &str = "!canceled_at(= *) !completed_at(= *) created(= gt gte lt lte) customer ending_before expand limit \
    !released_at(= *) !scheduled starting_after";
pub const SCHEDULE_RELEASE: &str = "expand !preserve_cancel_date";
pub const SCHEDULE_CANCEL: &str = "expand invoice_now prorate";
