-- A person. Guests have no e-mail address; nobody is ever deleted from here, only made a tombstone.
create table account (
    id uuid constraint account_pkey primary key,
    email citext constraint account_email_key unique,
    email_verified_at timestamptz,
    username citext not null constraint account_username_key unique,
    locale text not null,
    status text not null default 'active',
    created_at timestamptz not null,
    last_seen_at timestamptz not null,
    constraint account_email_check check (email::text ~ '^[^@[:space:][:cntrl:]]+@[^@[:space:][:cntrl:]]+$'
                                          and length(email::text) <= 254),
    constraint account_email_verified_check check (email_verified_at is null or email is not null),
    constraint account_username_check check (username::text ~ '^[A-Za-z0-9_]{3,30}$'),
    constraint account_locale_check check (locale ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$' and length(locale) <= 35),
    constraint account_status_check check (status in ('active', 'deleted'))
);

-- bcrypt of base64(HMAC-SHA-256(pepper, NFC(password))).
create table credential (
    account_id uuid constraint credential_pkey primary key
        constraint credential_account_id_fkey references account,
    password_hash text not null,
    changed_at timestamptz not null,
    constraint credential_password_hash_check check (password_hash ~ '^\$2b\$[0-9]{2}\$[./A-Za-z0-9]{53}$')
);

-- A device that signed in once; it keeps a secret mark, of which the SHA-256 is stored.
create table known_device (
    id uuid constraint known_device_pkey primary key,
    account_id uuid not null constraint known_device_account_id_fkey references account,
    mark_digest bytea not null,
    first_seen_at timestamptz not null,
    last_seen_at timestamptz not null,
    constraint known_device_account_id_mark_digest_key unique (account_id, mark_digest),
    constraint known_device_mark_digest_check check (octet_length(mark_digest) = 32)
);
create index known_device_last_seen_at_idx on known_device (last_seen_at);

-- Wrong passwords. The subject is an account (all unknown devices together), a known device, or a decoy that stands for
-- names nobody has, so that both kinds of attempt cost the same; hence no foreign key.
create table login_failure (
    subject uuid constraint login_failure_pkey primary key,
    in_row integer not null,
    recent timestamptz[] not null,
    blocked_until timestamptz,
    constraint login_failure_in_row_check check (in_row >= 0),
    constraint login_failure_recent_check check (cardinality(recent) < 10)
);

create table login_session (
    id uuid constraint login_session_pkey primary key,
    account_id uuid not null constraint login_session_account_id_fkey references account,
    known_device_id uuid constraint login_session_known_device_id_fkey references known_device on delete set null,
    created_at timestamptz not null,
    last_used_at timestamptz not null,
    ip_prefix text not null,
    user_agent text not null,
    revoked_at timestamptz
);
create index login_session_account_id_idx on login_session (account_id, id);
create index login_session_known_device_id_idx on login_session (known_device_id);
create index login_session_last_used_at_idx on login_session (last_used_at);

-- The SHA-256 of each refresh token; a used one names the token that replaced it.
create table refresh_token (
    digest bytea constraint refresh_token_pkey primary key,
    session_id uuid not null constraint refresh_token_session_id_fkey references login_session on delete cascade,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz,
    replaced_by bytea constraint refresh_token_replaced_by_key unique
        constraint refresh_token_replaced_by_fkey references refresh_token on delete set null,
    constraint refresh_token_digest_check check (octet_length(digest) = 32),
    constraint refresh_token_expires_at_check check (expires_at > created_at),
    constraint refresh_token_used_check check (used_at is not null or replaced_by is null)
);
create index refresh_token_session_id_idx on refresh_token (session_id);
create index refresh_token_expires_at_idx on refresh_token (expires_at);

-- Secrets sent out once. Only the link that makes the first admin belongs to no account.
create table one_time_token (
    digest bytea constraint one_time_token_pkey primary key,
    purpose text not null,
    account_id uuid constraint one_time_token_account_id_fkey references account,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz,
    constraint one_time_token_digest_check check (octet_length(digest) = 32),
    constraint one_time_token_purpose_check
        check (purpose in ('setup', 'verify_email', 'reset_password', 'magic_link', 'change_email')),
    constraint one_time_token_account_check check ((purpose = 'setup') = (account_id is null)),
    constraint one_time_token_expires_at_check check (expires_at > created_at)
);
create index one_time_token_account_id_idx on one_time_token (account_id, purpose);
create index one_time_token_expires_at_idx on one_time_token (expires_at);
create index one_time_token_setup_idx on one_time_token (purpose) where account_id is null and used_at is null;

-- Every account is a player, and API keys are services, so only the other roles are granted.
create table role_grant (
    account_id uuid not null constraint role_grant_account_id_fkey references account,
    role text not null,
    scope text not null,
    granted_by uuid constraint role_grant_granted_by_fkey references account,
    granted_at timestamptz not null,
    constraint role_grant_pkey primary key (account_id, role, scope),
    constraint role_grant_role_check check (role in ('organizer', 'moderator', 'admin')),
    constraint role_grant_scope_check
        check (scope ~ '^(global|(tournament|game|organization):[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$')
);
create index role_grant_granted_by_idx on role_grant (granted_by);
create index role_grant_admin_idx on role_grant (account_id) where role = 'admin' and scope = 'global';

-- Keys that sign access tokens. One signs; retired ones are published until their last token has expired.
create table signing_key (
    kid text constraint signing_key_pkey primary key,
    public_jwk jsonb not null,
    sealed_private_key bytea not null,
    created_at timestamptz not null,
    retired_at timestamptz,
    constraint signing_key_kid_check check (kid ~ '^[A-Za-z0-9_-]{43}$'),
    constraint signing_key_retired_at_check check (retired_at >= created_at)
);
create unique index signing_key_current_idx on signing_key ((retired_at is null)) where retired_at is null;
create index signing_key_retired_at_idx on signing_key (retired_at);
