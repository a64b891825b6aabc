create extension if not exists citext;

-- Where Agon runs its own server, the application signs in as agon_app, which owns nothing.
do $$
begin
    if exists (select from pg_roles where rolname = 'agon_app') and current_user <> 'agon_app' then
        grant usage on schema public to agon_app;
        grant select on schema_version to agon_app;
        alter default privileges in schema public grant select, insert, update, delete on tables to agon_app;
        alter default privileges in schema public grant usage, select on sequences to agon_app;
    end if;
end $$;

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end $$;

-- Append-only: its rows are refused any change by a trigger, and the application's role any right to try.
create procedure make_append_only(target regclass) language plpgsql as $$
begin
    execute format('create trigger append_only before update or delete on %s '
                   'for each row execute function refuse_change()', target);
    execute format('create trigger append_only_whole before truncate on %s '
                   'for each statement execute function refuse_change()', target);
    if exists (select from pg_roles where rolname = 'agon_app') and current_user <> 'agon_app' then
        execute format('revoke update, delete, truncate on %s from agon_app', target);
    end if;
end $$;

-- Monthly partitions. The functions run as their owner, because only an owner may make and drop partitions.
create function ensure_partitions(parent regclass, since timestamptz, months integer) returns integer
language plpgsql security definer set search_path = public, pg_temp as $$
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

create function drop_partitions(parent regclass, before timestamptz) returns integer
language plpgsql security definer set search_path = public, pg_temp as $$
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
end $$;

-- Facts. seq orders the events of one subject: it is drawn while the row that the fact is about is locked.
create sequence event_seq;
create table event (
    id uuid not null,
    seq bigint not null default nextval('event_seq'),
    type text not null,
    subject text not null,
    data jsonb not null,
    trace text,
    occurred_at timestamptz not null,
    constraint event_pkey primary key (id, occurred_at)
) partition by range (occurred_at);
alter sequence event_seq owned by event.seq;
create index event_subject_idx on event (subject, seq);
create index event_type_idx on event (type, seq);
create table event_default partition of event default;

-- One row for each event that a subscriber has dealt with, in the transaction that did it.
create table processed_event (
    subscriber text not null,
    event_id uuid not null,
    occurred_at timestamptz not null,
    processed_at timestamptz not null,
    constraint processed_event_pkey primary key (subscriber, event_id, occurred_at)
) partition by range (occurred_at);
create table processed_event_default partition of processed_event default;

-- When a subscriber was first seen: an ordered one does not look for events from before.
create table subscriber (
    name text constraint subscriber_pkey primary key,
    since_seq bigint not null,
    registered_at timestamptz not null
);

-- Tags of cached reads that became stale. xid lets a follower read exactly what committed since it last looked.
create table invalidation (
    xid xid8 not null default pg_current_xact_id(),
    tag text not null,
    at timestamptz not null
);
create index invalidation_xid_idx on invalidation (xid);
create index invalidation_at_idx on invalidation (at);

create table idempotency_record (
    account_id uuid not null,
    operation text not null,
    object text not null,
    key text not null,
    request_digest bytea not null,
    status smallint not null,
    headers jsonb not null,
    body bytea not null,
    created_at timestamptz not null,
    constraint idempotency_record_pkey primary key (account_id, operation, object, key)
);
create index idempotency_record_created_idx on idempotency_record (created_at);

create table audit_log (
    seq bigint generated always as identity constraint audit_log_pkey primary key,
    id uuid not null,
    at timestamptz not null,
    actor text not null,
    action text not null,
    target_type text not null,
    target_id text not null,
    before jsonb,
    after jsonb,
    reason text,
    severity text not null constraint audit_log_severity_check check (severity in ('low', 'medium', 'high')),
    ip_prefix text not null,
    user_agent text not null,
    request_id text not null,
    method text not null,
    route text not null
);
create index audit_log_action_idx on audit_log (action, seq);
create index audit_log_actor_idx on audit_log (actor, seq);
create index audit_log_target_idx on audit_log (target_type, target_id, seq);

-- The seal of each row: hash = SHA-256(hash before || the row), in the order in which a job sealed them.
create table audit_seal (
    position bigint constraint audit_seal_pkey primary key,
    audit_seq bigint not null constraint audit_seal_audit_seq_key unique,
    hash bytea not null,
    sealed_at timestamptz not null
);
create index audit_seal_sealed_at_idx on audit_seal (sealed_at);

create table feature_switch (
    name text constraint feature_switch_pkey primary key,
    state text not null constraint feature_switch_state_check check (state in ('off', 'on', 'percentage', 'list')),
    percentage smallint not null constraint feature_switch_percentage_check check (percentage between 0 and 100),
    members text[] not null,
    changed_at timestamptz not null
);

call make_append_only('event');
call make_append_only('audit_log');
call make_append_only('audit_seal');
select ensure_partitions('event', now(), 2), ensure_partitions('processed_event', now(), 2);

-- The queue of jobs, as PgQueuer 1.6 expects it, without its trigger: NOTIFY inside a transaction serialises commits.
-- last_error is ours: the traceback of the last run that failed. The log beside it is unlogged and would lose it.
create type pgqueuer_status as enum
    ('queued', 'picked', 'successful', 'exception', 'canceled', 'deleted', 'failed');

create table pgqueuer (
    id bigserial not null primary key,
    priority integer not null,
    queue_manager_id uuid,
    created timestamptz not null default now(),
    updated timestamptz not null default now(),
    heartbeat timestamptz not null default now(),
    execute_after timestamptz not null default now(),
    status pgqueuer_status not null,
    entrypoint text not null,
    dedupe_key text,
    payload bytea,
    headers jsonb,
    attempts integer not null default 0,
    slot bigint,
    last_error text
);

create unlogged table pgqueuer_log (
    id bigint generated by default as identity not null primary key,
    created timestamptz not null default now(),
    job_id bigint not null,
    status pgqueuer_status not null,
    priority integer not null,
    entrypoint text not null,
    traceback jsonb,
    aggregated boolean default false
);

create unlogged table pgqueuer_statistics (
    id bigserial not null primary key,
    created timestamptz not null default date_trunc('sec'::text, now()),
    count bigint not null,
    priority integer not null,
    status pgqueuer_status not null,
    entrypoint text not null
);

create index pgqueuer_ep_ea_idx on pgqueuer (entrypoint, execute_after) where status = 'queued';
create index pgqueuer_ep_prio_id_idx on pgqueuer (entrypoint, priority desc, id) where status = 'queued';
create index pgqueuer_picked_heartbeat_idx on pgqueuer (heartbeat) where status = 'picked';
create unique index pgqueuer_picked_slot_idx on pgqueuer (entrypoint, slot) where status = 'picked' and slot is not null;
create index pgqueuer_priority_id_id1_idx on pgqueuer (priority, id desc) include (id) where status = 'queued';
create index pgqueuer_queue_manager_id_idx on pgqueuer (queue_manager_id) where queue_manager_id is not null;
create unique index pgqueuer_unique_dedupe_key on pgqueuer (dedupe_key)
    where status in ('queued', 'picked') and dedupe_key is not null;
create index pgqueuer_updated_id_id1_idx on pgqueuer (updated, id desc) include (id) where status = 'picked';
create index pgqueuer_failed_idx on pgqueuer (id) where status = 'failed';
create index pgqueuer_log_created on pgqueuer_log (created);
create index pgqueuer_log_job_id_status on pgqueuer_log (job_id, created desc);
create index pgqueuer_log_not_aggregated on pgqueuer_log ((1)) where not aggregated;
create index pgqueuer_log_status on pgqueuer_log (status);
create unique index pgqueuer_statistics_unique_count on pgqueuer_statistics
    (priority, date_trunc('sec'::text, timezone('UTC'::text, created)), status, entrypoint);

-- PgQueuer logs three rows a job in the plain course of things; only what went wrong is worth one.
create function skip_row() returns trigger language plpgsql as $$
begin
    return null;
end $$;
create trigger only_failures before insert on pgqueuer_log
    for each row when (new.traceback is null and new.status in ('queued', 'picked', 'successful'))
    execute function skip_row();

-- The last due moment of each periodic job that was claimed: each is claimed once, by whichever worker comes first.
create table periodic_run (
    name text constraint periodic_run_pkey primary key,
    slot timestamptz not null
);
