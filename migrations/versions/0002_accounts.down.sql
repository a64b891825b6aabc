drop table signing_key, role_grant, one_time_token, refresh_token, login_session, login_failure, known_device, credential,
    account;
