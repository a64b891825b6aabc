CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA public;

COMMENT ON EXTENSION citext IS 'data type for case-insensitive character strings';

CREATE TYPE public.pgqueuer_status AS ENUM (
    'queued',
    'picked',
    'successful',
    'exception',
    'canceled',
    'deleted',
    'failed'
);

CREATE FUNCTION public.drop_partitions(parent regclass, before timestamp with time zone) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $_$
declare
    child record;
    dropped integer := 0;
begin
    if parent not in ('event'::regclass, 'processed_event'::regclass) then
        raise exception '% is not partitioned by month', parent;
    end if;
    if before > now() - interval '30 days' then
        raise exception 'partitions of the last 30 days are kept';
    end if;
    for child in
        select inhrelid::regclass as name, substring(inhrelid::regclass::text from '(\d{4}_\d{2})$') as month
        from pg_inherits where inhparent = parent
    loop
        if child.month is not null
           and (to_date(child.month, 'YYYY_MM') + interval '1 month') at time zone 'UTC' <= before then
            execute format('drop table %s', child.name);
            dropped := dropped + 1;
        end if;
    end loop;
    return dropped;
end $_$;

CREATE FUNCTION public.ensure_partitions(parent regclass, since timestamp with time zone, months integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
    month timestamptz;
    child text;
    made integer := 0;
begin
    if parent not in ('event'::regclass, 'processed_event'::regclass) then
        raise exception '% is not partitioned by month', parent;
    end if;
    for offset_months in 0..months loop
        month := date_trunc('month', since at time zone 'UTC') at time zone 'UTC' + make_interval(months => offset_months);
        child := format('%s_%s', parent, to_char(month at time zone 'UTC', 'YYYY_MM'));
        if to_regclass(child) is null then
            execute format('create table %I partition of %s for values from (%L) to (%L)',
                           child, parent, month, month + interval '1 month');
            made := made + 1;
        end if;
    end loop;
    return made;
end $$;

CREATE PROCEDURE public.make_append_only(IN target regclass)
    LANGUAGE plpgsql
    AS $$
begin
    execute format('create trigger append_only before update or delete on %s '
                   'for each row execute function refuse_change()', target);
    execute format('create trigger append_only_whole before truncate on %s '
                   'for each statement execute function refuse_change()', target);
    if exists (select from pg_roles where rolname = 'agon_app') and current_user <> 'agon_app' then
        execute format('revoke update, delete, truncate on %s from agon_app', target);
    end if;
end $$;

CREATE FUNCTION public.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end $$;

CREATE FUNCTION public.skip_row() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    return null;
end $$;

CREATE TABLE public.account (
    id uuid NOT NULL,
    email public.citext,
    email_verified_at timestamp with time zone,
    username public.citext NOT NULL,
    locale text NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    last_seen_at timestamp with time zone NOT NULL,
    CONSTRAINT account_email_check CHECK ((((email)::text ~ '^[^@[:space:][:cntrl:]]+@[^@[:space:][:cntrl:]]+$'::text) AND (length((email)::text) <= 254))),
    CONSTRAINT account_email_verified_check CHECK (((email_verified_at IS NULL) OR (email IS NOT NULL))),
    CONSTRAINT account_locale_check CHECK (((locale ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'::text) AND (length(locale) <= 35))),
    CONSTRAINT account_status_check CHECK ((status = ANY (ARRAY['active'::text, 'deleted'::text]))),
    CONSTRAINT account_username_check CHECK (((username)::text ~ '^[A-Za-z0-9_]{3,30}$'::text))
);

CREATE TABLE public.audit_log (
    seq bigint NOT NULL,
    id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    target_type text NOT NULL,
    target_id text NOT NULL,
    before jsonb,
    after jsonb,
    reason text,
    severity text NOT NULL,
    ip_prefix text NOT NULL,
    user_agent text NOT NULL,
    request_id text NOT NULL,
    method text NOT NULL,
    route text NOT NULL,
    CONSTRAINT audit_log_severity_check CHECK ((severity = ANY (ARRAY['low'::text, 'medium'::text, 'high'::text])))
);

ALTER TABLE public.audit_log ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.audit_log_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.audit_seal (
    "position" bigint NOT NULL,
    audit_seq bigint NOT NULL,
    hash bytea NOT NULL,
    sealed_at timestamp with time zone NOT NULL
);

CREATE TABLE public.credential (
    account_id uuid NOT NULL,
    password_hash text NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    CONSTRAINT credential_password_hash_check CHECK ((password_hash ~ '^\$2b\$[0-9]{2}\$[./A-Za-z0-9]{53}$'::text))
);

CREATE TABLE public.event (
    id uuid NOT NULL,
    seq bigint NOT NULL,
    type text NOT NULL,
    subject text NOT NULL,
    data jsonb NOT NULL,
    trace text,
    occurred_at timestamp with time zone NOT NULL
)
PARTITION BY RANGE (occurred_at);

CREATE SEQUENCE public.event_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.event_seq OWNED BY public.event.seq;

CREATE TABLE public.event_default (
    id uuid CONSTRAINT event_id_not_null NOT NULL,
    seq bigint DEFAULT nextval('public.event_seq'::regclass) CONSTRAINT event_seq_not_null NOT NULL,
    type text CONSTRAINT event_type_not_null NOT NULL,
    subject text CONSTRAINT event_subject_not_null NOT NULL,
    data jsonb CONSTRAINT event_data_not_null NOT NULL,
    trace text,
    occurred_at timestamp with time zone CONSTRAINT event_occurred_at_not_null NOT NULL
);

CREATE TABLE public.feature_switch (
    name text NOT NULL,
    state text NOT NULL,
    percentage smallint NOT NULL,
    members text[] NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    CONSTRAINT feature_switch_percentage_check CHECK (((percentage >= 0) AND (percentage <= 100))),
    CONSTRAINT feature_switch_state_check CHECK ((state = ANY (ARRAY['off'::text, 'on'::text, 'percentage'::text, 'list'::text])))
);

CREATE TABLE public.idempotency_record (
    account_id uuid NOT NULL,
    operation text NOT NULL,
    object text NOT NULL,
    key text NOT NULL,
    request_digest bytea NOT NULL,
    status smallint NOT NULL,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    created_at timestamp with time zone NOT NULL
);

CREATE TABLE public.invalidation (
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    tag text NOT NULL,
    at timestamp with time zone NOT NULL
);

CREATE TABLE public.known_device (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    mark_digest bytea NOT NULL,
    first_seen_at timestamp with time zone NOT NULL,
    last_seen_at timestamp with time zone NOT NULL,
    CONSTRAINT known_device_mark_digest_check CHECK ((octet_length(mark_digest) = 32))
);

CREATE TABLE public.login_failure (
    subject uuid NOT NULL,
    in_row integer NOT NULL,
    recent timestamp with time zone[] NOT NULL,
    blocked_until timestamp with time zone,
    CONSTRAINT login_failure_in_row_check CHECK ((in_row >= 0)),
    CONSTRAINT login_failure_recent_check CHECK ((cardinality(recent) < 10))
);

CREATE TABLE public.login_session (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    known_device_id uuid,
    created_at timestamp with time zone NOT NULL,
    last_used_at timestamp with time zone NOT NULL,
    ip_prefix text NOT NULL,
    user_agent text NOT NULL,
    revoked_at timestamp with time zone
);

CREATE TABLE public.one_time_token (
    digest bytea NOT NULL,
    purpose text NOT NULL,
    account_id uuid,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    CONSTRAINT one_time_token_account_check CHECK (((purpose = 'setup'::text) = (account_id IS NULL))),
    CONSTRAINT one_time_token_digest_check CHECK ((octet_length(digest) = 32)),
    CONSTRAINT one_time_token_expires_at_check CHECK ((expires_at > created_at)),
    CONSTRAINT one_time_token_purpose_check CHECK ((purpose = ANY (ARRAY['setup'::text, 'verify_email'::text, 'reset_password'::text, 'magic_link'::text, 'change_email'::text])))
);

CREATE TABLE public.periodic_run (
    name text NOT NULL,
    slot timestamp with time zone NOT NULL
);

CREATE TABLE public.pgqueuer (
    id bigint NOT NULL,
    priority integer NOT NULL,
    queue_manager_id uuid,
    created timestamp with time zone DEFAULT now() NOT NULL,
    updated timestamp with time zone DEFAULT now() NOT NULL,
    heartbeat timestamp with time zone DEFAULT now() NOT NULL,
    execute_after timestamp with time zone DEFAULT now() NOT NULL,
    status public.pgqueuer_status NOT NULL,
    entrypoint text NOT NULL,
    dedupe_key text,
    payload bytea,
    headers jsonb,
    attempts integer DEFAULT 0 NOT NULL,
    slot bigint,
    last_error text
);

CREATE SEQUENCE public.pgqueuer_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.pgqueuer_id_seq OWNED BY public.pgqueuer.id;

CREATE UNLOGGED TABLE public.pgqueuer_log (
    id bigint NOT NULL,
    created timestamp with time zone DEFAULT now() NOT NULL,
    job_id bigint NOT NULL,
    status public.pgqueuer_status NOT NULL,
    priority integer NOT NULL,
    entrypoint text NOT NULL,
    traceback jsonb,
    aggregated boolean DEFAULT false
);

ALTER TABLE public.pgqueuer_log ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.pgqueuer_log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE UNLOGGED TABLE public.pgqueuer_statistics (
    id bigint NOT NULL,
    created timestamp with time zone DEFAULT date_trunc('sec'::text, now()) NOT NULL,
    count bigint NOT NULL,
    priority integer NOT NULL,
    status public.pgqueuer_status NOT NULL,
    entrypoint text NOT NULL
);

CREATE UNLOGGED SEQUENCE public.pgqueuer_statistics_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.pgqueuer_statistics_id_seq OWNED BY public.pgqueuer_statistics.id;

CREATE TABLE public.processed_event (
    subscriber text NOT NULL,
    event_id uuid NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    processed_at timestamp with time zone NOT NULL
)
PARTITION BY RANGE (occurred_at);

CREATE TABLE public.processed_event_default (
    subscriber text CONSTRAINT processed_event_subscriber_not_null NOT NULL,
    event_id uuid CONSTRAINT processed_event_event_id_not_null NOT NULL,
    occurred_at timestamp with time zone CONSTRAINT processed_event_occurred_at_not_null NOT NULL,
    processed_at timestamp with time zone CONSTRAINT processed_event_processed_at_not_null NOT NULL
);

CREATE TABLE public.refresh_token (
    digest bytea NOT NULL,
    session_id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    replaced_by bytea,
    CONSTRAINT refresh_token_digest_check CHECK ((octet_length(digest) = 32)),
    CONSTRAINT refresh_token_expires_at_check CHECK ((expires_at > created_at)),
    CONSTRAINT refresh_token_used_check CHECK (((used_at IS NOT NULL) OR (replaced_by IS NULL)))
);

CREATE TABLE public.role_grant (
    account_id uuid NOT NULL,
    role text NOT NULL,
    scope text NOT NULL,
    granted_by uuid,
    granted_at timestamp with time zone NOT NULL,
    CONSTRAINT role_grant_role_check CHECK ((role = ANY (ARRAY['organizer'::text, 'moderator'::text, 'admin'::text]))),
    CONSTRAINT role_grant_scope_check CHECK ((scope ~ '^(global|(tournament|game|organization):[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$'::text))
);

CREATE TABLE public.schema_version (
    version_num character varying(32) NOT NULL
);

CREATE TABLE public.signing_key (
    kid text NOT NULL,
    public_jwk jsonb NOT NULL,
    sealed_private_key bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    retired_at timestamp with time zone,
    CONSTRAINT signing_key_kid_check CHECK ((kid ~ '^[A-Za-z0-9_-]{43}$'::text)),
    CONSTRAINT signing_key_retired_at_check CHECK ((retired_at >= created_at))
);

CREATE TABLE public.subscriber (
    name text NOT NULL,
    since_seq bigint NOT NULL,
    registered_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY public.event ATTACH PARTITION public.event_default DEFAULT;

ALTER TABLE ONLY public.processed_event ATTACH PARTITION public.processed_event_default DEFAULT;

ALTER TABLE ONLY public.event ALTER COLUMN seq SET DEFAULT nextval('public.event_seq'::regclass);

ALTER TABLE ONLY public.pgqueuer ALTER COLUMN id SET DEFAULT nextval('public.pgqueuer_id_seq'::regclass);

ALTER TABLE ONLY public.pgqueuer_statistics ALTER COLUMN id SET DEFAULT nextval('public.pgqueuer_statistics_id_seq'::regclass);

ALTER TABLE ONLY public.account
    ADD CONSTRAINT account_email_key UNIQUE (email);

ALTER TABLE ONLY public.account
    ADD CONSTRAINT account_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.account
    ADD CONSTRAINT account_username_key UNIQUE (username);

ALTER TABLE ONLY public.audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY public.audit_seal
    ADD CONSTRAINT audit_seal_audit_seq_key UNIQUE (audit_seq);

ALTER TABLE ONLY public.audit_seal
    ADD CONSTRAINT audit_seal_pkey PRIMARY KEY ("position");

ALTER TABLE ONLY public.credential
    ADD CONSTRAINT credential_pkey PRIMARY KEY (account_id);

ALTER TABLE ONLY public.event
    ADD CONSTRAINT event_pkey PRIMARY KEY (id, occurred_at);

ALTER TABLE ONLY public.event_default
    ADD CONSTRAINT event_default_pkey PRIMARY KEY (id, occurred_at);

ALTER TABLE ONLY public.feature_switch
    ADD CONSTRAINT feature_switch_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.idempotency_record
    ADD CONSTRAINT idempotency_record_pkey PRIMARY KEY (account_id, operation, object, key);

ALTER TABLE ONLY public.known_device
    ADD CONSTRAINT known_device_account_id_mark_digest_key UNIQUE (account_id, mark_digest);

ALTER TABLE ONLY public.known_device
    ADD CONSTRAINT known_device_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.login_failure
    ADD CONSTRAINT login_failure_pkey PRIMARY KEY (subject);

ALTER TABLE ONLY public.login_session
    ADD CONSTRAINT login_session_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.one_time_token
    ADD CONSTRAINT one_time_token_pkey PRIMARY KEY (digest);

ALTER TABLE ONLY public.periodic_run
    ADD CONSTRAINT periodic_run_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.pgqueuer_log
    ADD CONSTRAINT pgqueuer_log_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.pgqueuer
    ADD CONSTRAINT pgqueuer_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.pgqueuer_statistics
    ADD CONSTRAINT pgqueuer_statistics_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.processed_event
    ADD CONSTRAINT processed_event_pkey PRIMARY KEY (subscriber, event_id, occurred_at);

ALTER TABLE ONLY public.processed_event_default
    ADD CONSTRAINT processed_event_default_pkey PRIMARY KEY (subscriber, event_id, occurred_at);

ALTER TABLE ONLY public.refresh_token
    ADD CONSTRAINT refresh_token_pkey PRIMARY KEY (digest);

ALTER TABLE ONLY public.refresh_token
    ADD CONSTRAINT refresh_token_replaced_by_key UNIQUE (replaced_by);

ALTER TABLE ONLY public.role_grant
    ADD CONSTRAINT role_grant_pkey PRIMARY KEY (account_id, role, scope);

ALTER TABLE ONLY public.schema_version
    ADD CONSTRAINT schema_version_pkey PRIMARY KEY (version_num);

ALTER TABLE ONLY public.signing_key
    ADD CONSTRAINT signing_key_pkey PRIMARY KEY (kid);

ALTER TABLE ONLY public.subscriber
    ADD CONSTRAINT subscriber_pkey PRIMARY KEY (name);

CREATE INDEX audit_log_action_idx ON public.audit_log USING btree (action, seq);

CREATE INDEX audit_log_actor_idx ON public.audit_log USING btree (actor, seq);

CREATE INDEX audit_log_target_idx ON public.audit_log USING btree (target_type, target_id, seq);

CREATE INDEX audit_seal_sealed_at_idx ON public.audit_seal USING btree (sealed_at);

CREATE INDEX event_subject_idx ON ONLY public.event USING btree (subject, seq);

CREATE INDEX event_default_subject_seq_idx ON public.event_default USING btree (subject, seq);

CREATE INDEX event_type_idx ON ONLY public.event USING btree (type, seq);

CREATE INDEX event_default_type_seq_idx ON public.event_default USING btree (type, seq);

CREATE INDEX idempotency_record_created_idx ON public.idempotency_record USING btree (created_at);

CREATE INDEX invalidation_at_idx ON public.invalidation USING btree (at);

CREATE INDEX invalidation_xid_idx ON public.invalidation USING btree (xid);

CREATE INDEX known_device_last_seen_at_idx ON public.known_device USING btree (last_seen_at);

CREATE INDEX login_session_account_id_idx ON public.login_session USING btree (account_id, id);

CREATE INDEX login_session_known_device_id_idx ON public.login_session USING btree (known_device_id);

CREATE INDEX login_session_last_used_at_idx ON public.login_session USING btree (last_used_at);

CREATE INDEX one_time_token_account_id_idx ON public.one_time_token USING btree (account_id, purpose);

CREATE INDEX one_time_token_expires_at_idx ON public.one_time_token USING btree (expires_at);

CREATE INDEX one_time_token_setup_idx ON public.one_time_token USING btree (purpose) WHERE ((account_id IS NULL) AND (used_at IS NULL));

CREATE INDEX pgqueuer_ep_ea_idx ON public.pgqueuer USING btree (entrypoint, execute_after) WHERE (status = 'queued'::public.pgqueuer_status);

CREATE INDEX pgqueuer_ep_prio_id_idx ON public.pgqueuer USING btree (entrypoint, priority DESC, id) WHERE (status = 'queued'::public.pgqueuer_status);

CREATE INDEX pgqueuer_failed_idx ON public.pgqueuer USING btree (id) WHERE (status = 'failed'::public.pgqueuer_status);

CREATE INDEX pgqueuer_log_created ON public.pgqueuer_log USING btree (created);

CREATE INDEX pgqueuer_log_job_id_status ON public.pgqueuer_log USING btree (job_id, created DESC);

CREATE INDEX pgqueuer_log_not_aggregated ON public.pgqueuer_log USING btree ((1)) WHERE (NOT aggregated);

CREATE INDEX pgqueuer_log_status ON public.pgqueuer_log USING btree (status);

CREATE INDEX pgqueuer_picked_heartbeat_idx ON public.pgqueuer USING btree (heartbeat) WHERE (status = 'picked'::public.pgqueuer_status);

CREATE UNIQUE INDEX pgqueuer_picked_slot_idx ON public.pgqueuer USING btree (entrypoint, slot) WHERE ((status = 'picked'::public.pgqueuer_status) AND (slot IS NOT NULL));

CREATE INDEX pgqueuer_priority_id_id1_idx ON public.pgqueuer USING btree (priority, id DESC) INCLUDE (id) WHERE (status = 'queued'::public.pgqueuer_status);

CREATE INDEX pgqueuer_queue_manager_id_idx ON public.pgqueuer USING btree (queue_manager_id) WHERE (queue_manager_id IS NOT NULL);

CREATE UNIQUE INDEX pgqueuer_statistics_unique_count ON public.pgqueuer_statistics USING btree (priority, date_trunc('sec'::text, timezone('UTC'::text, created)), status, entrypoint);

CREATE UNIQUE INDEX pgqueuer_unique_dedupe_key ON public.pgqueuer USING btree (dedupe_key) WHERE ((status = ANY (ARRAY['queued'::public.pgqueuer_status, 'picked'::public.pgqueuer_status])) AND (dedupe_key IS NOT NULL));

CREATE INDEX pgqueuer_updated_id_id1_idx ON public.pgqueuer USING btree (updated, id DESC) INCLUDE (id) WHERE (status = 'picked'::public.pgqueuer_status);

CREATE INDEX refresh_token_expires_at_idx ON public.refresh_token USING btree (expires_at);

CREATE INDEX refresh_token_session_id_idx ON public.refresh_token USING btree (session_id);

CREATE INDEX role_grant_admin_idx ON public.role_grant USING btree (account_id) WHERE ((role = 'admin'::text) AND (scope = 'global'::text));

CREATE INDEX role_grant_granted_by_idx ON public.role_grant USING btree (granted_by);

CREATE UNIQUE INDEX signing_key_current_idx ON public.signing_key USING btree (((retired_at IS NULL))) WHERE (retired_at IS NULL);

CREATE INDEX signing_key_retired_at_idx ON public.signing_key USING btree (retired_at);

ALTER INDEX public.event_pkey ATTACH PARTITION public.event_default_pkey;

ALTER INDEX public.event_subject_idx ATTACH PARTITION public.event_default_subject_seq_idx;

ALTER INDEX public.event_type_idx ATTACH PARTITION public.event_default_type_seq_idx;

ALTER INDEX public.processed_event_pkey ATTACH PARTITION public.processed_event_default_pkey;

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.audit_log FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.audit_seal FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.event FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON public.audit_log FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON public.audit_seal FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON public.event FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER only_failures BEFORE INSERT ON public.pgqueuer_log FOR EACH ROW WHEN (((new.traceback IS NULL) AND (new.status = ANY (ARRAY['queued'::public.pgqueuer_status, 'picked'::public.pgqueuer_status, 'successful'::public.pgqueuer_status])))) EXECUTE FUNCTION public.skip_row();

ALTER TABLE ONLY public.credential
    ADD CONSTRAINT credential_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.known_device
    ADD CONSTRAINT known_device_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.login_session
    ADD CONSTRAINT login_session_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.login_session
    ADD CONSTRAINT login_session_known_device_id_fkey FOREIGN KEY (known_device_id) REFERENCES public.known_device(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.one_time_token
    ADD CONSTRAINT one_time_token_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.refresh_token
    ADD CONSTRAINT refresh_token_replaced_by_fkey FOREIGN KEY (replaced_by) REFERENCES public.refresh_token(digest) ON DELETE SET NULL;

ALTER TABLE ONLY public.refresh_token
    ADD CONSTRAINT refresh_token_session_id_fkey FOREIGN KEY (session_id) REFERENCES public.login_session(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.role_grant
    ADD CONSTRAINT role_grant_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.role_grant
    ADD CONSTRAINT role_grant_granted_by_fkey FOREIGN KEY (granted_by) REFERENCES public.account(id);
