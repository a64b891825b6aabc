drop table periodic_run, pgqueuer, pgqueuer_log, pgqueuer_statistics;
drop function skip_row;
drop type pgqueuer_status;
drop table feature_switch, audit_seal, audit_log, idempotency_record, invalidation, subscriber, processed_event, event;
drop function drop_partitions, ensure_partitions;
drop procedure make_append_only;
drop function refuse_change;
do $$
begin
    if exists (select from pg_roles where rolname = 'agon_app') and current_user <> 'agon_app' then
        alter default privileges in schema public revoke select, insert, update, delete on tables from agon_app;
        alter default privileges in schema public revoke usage, select on sequences from agon_app;
        revoke select on schema_version from agon_app;
        revoke usage on schema public from agon_app;
    end if;
end $$;
drop extension citext;
