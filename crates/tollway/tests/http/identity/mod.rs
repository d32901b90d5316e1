//! People: signing up, in and out, what mails lead back to, second factors, and what tokens are good for.

mod by_provider;
mod hand_off;
mod kept_sign_in;
mod keys;
mod other_services;
mod pages;
mod passwords;
mod profile;
mod registration;
mod second_factor;
mod sessions;
mod sign_in;
mod tokens;
mod without_others;
