CREATE TABLE schema_versions (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
CREATE TABLE instances (
    instance_key            TEXT    NOT NULL,
    instance_id             TEXT    NOT NULL,
    root_id                 TEXT,
    controller_uri          TEXT    NOT NULL,
    package_version         TEXT    NOT NULL,
    cloud                   TEXT    NOT NULL,
    application_id          TEXT    NOT NULL,
    credentials             BLOB,                 -- sealed JSON
    mfa_request             TEXT    NOT NULL,
    borrowers               TEXT,                 -- JSON
    skip_landing            INTEGER NOT NULL,
    direct_link             INTEGER NOT NULL,
    tenant_application      INTEGER NOT NULL,
    created_at              TEXT,
    updated_at              TEXT,
    removed_at              TEXT,
    version                 INTEGER NOT NULL,
    PRIMARY KEY (instance_key)
) STRICT;
CREATE TABLE tenants (
    id                      TEXT    NOT NULL,
    instance_key            TEXT    NOT NULL,
    account_id              TEXT    NOT NULL,
    subscription_id         TEXT    NOT NULL,
    name                    TEXT    NOT NULL,
    marketplace             TEXT    NOT NULL,
    directory_id            TEXT,                 -- NULL until it is known, so that any number may be unknown
    directory               TEXT    NOT NULL,
    application_id          TEXT    NOT NULL,
    credentials             BLOB,                 -- sealed JSON
    created_at              TEXT,
    updated_at              TEXT,
    version                 INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT;
CREATE TABLE grants (
    tenant_id      TEXT    NOT NULL,
    slot           TEXT    NOT NULL,
    refresh_token  BLOB,                 -- sealed
    issued_at      TEXT    NOT NULL,
    directory_id   TEXT    NOT NULL,
    application_id TEXT    NOT NULL,
    procedure_name TEXT    NOT NULL,
    consent_id     TEXT    NOT NULL,
    consented_at   TEXT,
    consented_by   TEXT    NOT NULL,     -- JSON
    asked_by       TEXT    NOT NULL,
    scopes         TEXT,                 -- JSON
    checks         TEXT    NOT NULL,     -- JSON
    version        INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, slot),
    FOREIGN KEY (tenant_id) REFERENCES tenants (id)
) STRICT;
CREATE TABLE schedules (
    tenant_id       TEXT    NOT NULL,
    due_at          TEXT,                 -- NULL: not scheduled
    expires_at      TEXT,
    slack_day       INTEGER NOT NULL,
    lease_owner     TEXT,
    lease_until     TEXT,
    attempt         INTEGER NOT NULL,
    last_at         TEXT,
    last_success_at TEXT,
    failing_since   TEXT,
    failure         TEXT,                 -- JSON
    version         INTEGER NOT NULL,
    PRIMARY KEY (tenant_id),
    FOREIGN KEY (tenant_id) REFERENCES tenants (id)
) STRICT;
CREATE TABLE consents (
    id                   TEXT    NOT NULL,
    tenant_id            TEXT    NOT NULL,
    procedure_name       TEXT    NOT NULL,
    status               TEXT    NOT NULL,
    link                 BLOB,                 -- sealed
    link_hash            TEXT,
    asked_by_kind        TEXT    NOT NULL,
    asked_by_id          TEXT    NOT NULL,
    asked_by_name        TEXT    NOT NULL,
    asked_by_account_id  TEXT    NOT NULL,
    asked_by_original_id TEXT    NOT NULL,
    created_at           TEXT,
    expires_at           TEXT,
    ended_at             TEXT,
    failure              TEXT,                 -- JSON
    consented_by         TEXT    NOT NULL,     -- JSON
    claim_hash           TEXT,
    claim_expires_at     TEXT,
    claim_attempts       INTEGER NOT NULL,
    purge_at             TEXT,                 -- when its secrets are of no use any more; NULL once they are gone
    version              INTEGER NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (tenant_id) REFERENCES tenants (id)
) STRICT;
CREATE TABLE states (
    state_hash     TEXT    NOT NULL,
    consent_id     TEXT    NOT NULL,
    tenant_id      TEXT    NOT NULL,
    browser_hash   TEXT    NOT NULL,
    without_claims INTEGER NOT NULL,
    nonce          BLOB,                 -- sealed
    verifier       BLOB,                 -- sealed
    created_at     TEXT,
    expires_at     TEXT    NOT NULL,
    used_at        TEXT,
    ended_at       TEXT    NOT NULL,     -- used_at, or else expires_at
    PRIMARY KEY (state_hash),
    FOREIGN KEY (tenant_id) REFERENCES tenants (id)
) STRICT;
CREATE TABLE events (
    seq               INTEGER PRIMARY KEY AUTOINCREMENT,
    id                TEXT    NOT NULL,
    happened_at       TEXT    NOT NULL,
    instance_key      TEXT    NOT NULL,
    tenant_id         TEXT    NOT NULL,
    action            TEXT    NOT NULL,
    actor_kind        TEXT    NOT NULL,
    actor_id          TEXT    NOT NULL,
    actor_name        TEXT    NOT NULL,
    actor_account_id  TEXT    NOT NULL,
    actor_original_id TEXT    NOT NULL,
    result            TEXT    NOT NULL,
    reference         TEXT    NOT NULL,
    details           TEXT                  -- JSON
) STRICT;
CREATE TABLE nonces (
    consumer_key TEXT    NOT NULL,
    nonce_hash   BLOB    NOT NULL,
    expires_at   TEXT    NOT NULL,
    PRIMARY KEY (consumer_key, nonce_hash)
) STRICT, WITHOUT ROWID;
CREATE TABLE announcements (
    subject_kind TEXT    NOT NULL,
    subject_id   TEXT    NOT NULL,
    look_at      TEXT,
    lease_owner  TEXT,
    lease_until  TEXT,
    told         TEXT,                 -- JSON
    version      INTEGER NOT NULL,
    PRIMARY KEY (subject_kind, subject_id)
) STRICT;
CREATE TABLE ties (
    instance_key   TEXT    NOT NULL,
    root_id        TEXT    NOT NULL,
    renewal_task   TEXT    NOT NULL,
    account_events TEXT    NOT NULL,
    version        INTEGER NOT NULL,
    PRIMARY KEY (instance_key)
) STRICT;
CREATE UNIQUE INDEX instances_root ON instances (root_id);
CREATE UNIQUE INDEX tenants_directory ON tenants (instance_key, directory_id);
CREATE INDEX tenants_of_instance ON tenants (instance_key, name, id);
CREATE INDEX grants_consented ON grants (slot, consented_at);
CREATE INDEX schedules_due ON schedules (slack_day, due_at, lease_until, expires_at, tenant_id);
CREATE UNIQUE INDEX consents_link ON consents (link_hash);
CREATE INDEX consents_of_tenant ON consents (tenant_id, created_at);
CREATE INDEX consents_purge ON consents (purge_at);
CREATE INDEX states_of_consent ON states (consent_id, created_at);
CREATE INDEX states_of_tenant ON states (tenant_id);
CREATE INDEX states_ended ON states (ended_at);
CREATE INDEX events_of_tenant ON events (tenant_id, happened_at, seq);
CREATE INDEX nonces_expiry ON nonces (expires_at);
CREATE INDEX announcements_due ON announcements (look_at);
INSERT INTO announcements (subject_kind, subject_id, look_at, lease_owner, lease_until, told, version) VALUES ('instance', 'sandbox-cf19bbd3-78d8-49fe-853b-3f4fc26b9fd1', '2027-09-30 00:00:00.000', NULL, NULL, '{"credential":{"ends":"2027-11-29T00:00:00Z"}}', 1);
INSERT INTO announcements (subject_kind, subject_id, look_at, lease_owner, lease_until, told, version) VALUES ('tenant', '35278c41-ea51-476a-9590-a74872e3b9a8', '2027-01-28 14:33:30.500', NULL, NULL, '{"pushed":"{\"tokenExpiresAt\":\"2027-02-27T14:33:30Z\",\"tokenReason\":\"\",\"tokenStatus\":\"active\"}","expiry":{"ends":"2027-02-27T14:33:30.5Z"}}', 4);
INSERT INTO announcements (subject_kind, subject_id, look_at, lease_owner, lease_until, told, version) VALUES ('tenant', '9d91c85d-99be-4773-8cd8-feef6580df24', NULL, NULL, NULL, '{"pushed":"{\"tokenExpiresAt\":\"\",\"tokenReason\":\"grant_absent\",\"tokenStatus\":\"absent\"}"}', 1);
INSERT INTO announcements (subject_kind, subject_id, look_at, lease_owner, lease_until, told, version) VALUES ('tenant', 'd05f2523-2ce5-46cd-9674-0c5d92958270', NULL, NULL, NULL, '{"pushed":"{\"tokenExpiresAt\":\"\",\"tokenReason\":\"grant_absent\",\"tokenStatus\":\"absent\"}"}', 1);
INSERT INTO consents (id, tenant_id, procedure_name, status, link, link_hash, asked_by_kind, asked_by_id, asked_by_name, asked_by_account_id, asked_by_original_id, created_at, expires_at, ended_at, failure, consented_by, claim_hash, claim_expires_at, claim_attempts, purge_at, version) VALUES ('c0f078a3-7906-43af-8815-301644f19b67', '35278c41-ea51-476a-9590-a74872e3b9a8', 'automatic', 'succeeded', X'01860d53b9effcd2fd115bb63856ccb18fb0d661d1f7a65b638aec94d858bd4bd3e9608b5b3897ebe67222fc91325ab0d55fec6bd0d16cdd500ba7b348cae940c30765b67a930a09f8c8fecc', 'c1Elh0ttv_h7lF0IOc7gRLOLD-odKp2Bq5QjvRGLWk0', 'user', '8fee9670-cb59-4e4e-87ca-b63af0114fda', 'Rita Reseller', '6d612d65-c097-4906-8a51-950362280927', '', '2026-11-29 14:33:30.420', '2026-11-29 14:48:30.420', '2026-11-29 14:33:30.473', NULL, '{"objectId":"4bf8db4e-d888-597d-9a27-fe76227de152","username":"admin@alpine.onmicrosoft.com","name":"Ada Alpine"}', NULL, NULL, 0, '2026-11-29 14:33:30.473', 2);
INSERT INTO events (seq, id, happened_at, instance_key, tenant_id, action, actor_kind, actor_id, actor_name, actor_account_id, actor_original_id, result, reference, details) VALUES (1, '5b2986ee-f066-4519-ab56-622988d8f935', '2026-11-29 14:33:30.327', 'sandbox-cf19bbd3-78d8-49fe-853b-3f4fc26b9fd1', '', 'instance.installed', 'platform', '', '', '', '', 'ok', 'WJG22Z0D', NULL);
INSERT INTO events (seq, id, happened_at, instance_key, tenant_id, action, actor_kind, actor_id, actor_name, actor_account_id, actor_original_id, result, reference, details) VALUES (2, '62338595-7d33-4514-b8f4-e17a1ee0ee08', '2026-11-29 14:33:30.346', 'sandbox-cf19bbd3-78d8-49fe-853b-3f4fc26b9fd1', '35278c41-ea51-476a-9590-a74872e3b9a8', 'tenant.provisioned', 'platform', '', '', '', '', 'ok', '5NQENAYN', '{"directory":"alpine.onmicrosoft.com"}');
INSERT INTO events (seq, id, happened_at, instance_key, tenant_id, action, actor_kind, actor_id, actor_name, actor_account_id, actor_original_id, result, reference, details) VALUES (3, '7ae3e24e-379c-4df7-ad1c-080c1a95bfc3', '2026-11-29 14:33:30.356', 'sandbox-cf19bbd3-78d8-49fe-853b-3f4fc26b9fd1', '9d91c85d-99be-4773-8cd8-feef6580df24', 'tenant.provisioned', 'platform', '', '', '', '', 'ok', '9TDRW594', '{"directory":"ba171c00-0000-4000-8000-0000000ba171"}');
INSERT INTO events (seq, id, happened_at, instance_key, tenant_id, action, actor_kind, actor_id, actor_name, actor_account_id, actor_original_id, result, reference, details) VALUES (4, '26b8eeb0-a9f4-41ef-9de4-bc4ce62ffed1', '2026-11-29 14:33:30.372', 'sandbox-cf19bbd3-78d8-49fe-853b-3f4fc26b9fd1', 'd05f2523-2ce5-46cd-9674-0c5d92958270', 'tenant.provisioned', 'platform', '', '', '', '', 'ok', '0FWDCTAM', '{"directory":"a5007400-0000-4000-8000-0000000a5007"}');
INSERT INTO events (seq, id, happened_at, instance_key, tenant_id, action, actor_kind, actor_id, actor_name, actor_account_id, actor_original_id, result, reference, details) VALUES (5, '806493c0-b3da-4b81-8948-0bf311afae8f', '2026-11-29 14:33:30.420', 'sandbox-cf19bbd3-78d8-49fe-853b-3f4fc26b9fd1', '35278c41-ea51-476a-9590-a74872e3b9a8', 'consent.begun', 'user', '8fee9670-cb59-4e4e-87ca-b63af0114fda', 'Rita Reseller', '6d612d65-c097-4906-8a51-950362280927', '', 'ok', 'X6W65ZC8', '{"procedure":"automatic"}');
INSERT INTO events (seq, id, happened_at, instance_key, tenant_id, action, actor_kind, actor_id, actor_name, actor_account_id, actor_original_id, result, reference, details) VALUES (6, '3c6bbbdc-8487-4347-865f-8445da26c249', '2026-11-29 14:33:30.473', 'sandbox-cf19bbd3-78d8-49fe-853b-3f4fc26b9fd1', '35278c41-ea51-476a-9590-a74872e3b9a8', 'consent.granted', 'visitor', '4bf8db4e-d888-597d-9a27-fe76227de152', 'admin@alpine.onmicrosoft.com', '', '', 'ok', 'QAWFR3YT', '{"directory":"a1b1e000-0000-4000-8000-00000000a1b1","procedure":"automatic","username":"admin@alpine.onmicrosoft.com"}');
INSERT INTO events (seq, id, happened_at, instance_key, tenant_id, action, actor_kind, actor_id, actor_name, actor_account_id, actor_original_id, result, reference, details) VALUES (7, '3e3e71de-449f-4b0c-b001-b06fe8106bb3', '2026-11-29 14:33:30.495', 'sandbox-cf19bbd3-78d8-49fe-853b-3f4fc26b9fd1', '35278c41-ea51-476a-9590-a74872e3b9a8', 'grant.renewed', 'user', '8fee9670-cb59-4e4e-87ca-b63af0114fda', 'Rita Reseller', '6d612d65-c097-4906-8a51-950362280927', '', 'ok', '2AJHZA2M', NULL);
INSERT INTO grants (tenant_id, slot, refresh_token, issued_at, directory_id, application_id, procedure_name, consent_id, consented_at, consented_by, asked_by, scopes, checks, version) VALUES ('35278c41-ea51-476a-9590-a74872e3b9a8', 'active', X'01860d53b9e57d888541c773a709f418705ba30352972274592ea782973f71aece6c39154d2cb9f603c4392584d5e77e333332af0ff8d8e1edb4d34e6094cd984901ad1cd3bac11566bed70528d021d1397ed33f688bbede08819880044d906785cbd11e1757d37e901e2bb8e06c93ee9ffa9713f35d4b34d994ce3ffe65d91e249d66385fe26ea74cedb270e38bd872ec040ffa8c47ab8e8ec52803e7b84455c900099cf37f51c3658026430adbbdf95fa3257e11243affec3caba04817f958501e70be7d35f4337942f0738c1fd5a700cef2d1702d156f54018ac2ef3ade7c291136ae05332d32eaa5543187df4209309ae7ec4b7ef1e354398b6734644343bc2ccbddb03cc5fad3924933675bfeca5ba09ac626bc44dc61d0e3a60c2e5d7edc15c3765ad2bf0d2a5cbe5aebb43532cd520140e8b34afda8219e59834d1428fea032d5c5cb92ef621fd683ef097561662617afbf0771893a2d11e6f154382cc9d4c605210de2447e35dba14f30aeec1e7b7dbe566c5d31d68436c03d69271ea841e308c6ebaf539052630080c516712b39c08a16fd88b5d086480783c187ec3c80c8a84793061213bed5629302d0f22e4fb7a0dfcc312a0cae594b6ff542a99863a566d98bc671f1725ee83f16d0f855568a35cbb0c130fa47a97dd65e87e2b715271361a286732e26cfbdcc385d7a91a813e45d3046d17994b862f8e91d66ef606bc7818d8361d68bf8a57b052ac74f7ab8cca6001a4a5fa3e59056a8e472794a342de3734cc519c3feddcdfced5ec9776591f9c62ffdc274ad955a1fda6fb6d26ece7805f9f82a26caaa544c803248e632ee582682b3da2ff2c72dd841748b0237fbd2258140bec867e6feb6822ad140569a12fd8f31f15b090f72fd3708cb894e7d9a9abe0525211af56dfc05278145bca0bff70897fd05c841f46872aff2e9ef5605c19ed5ac20c03cc684ae4d7a548e7848e8049892ae10b58314d6d436474e5134ed4c36fe55150a1d5da51242f33df4248513e9233375c5a03738d97a8f27ac88c21867273a37397ee586d3aad712869b448ae34fb46771a366caa44ac8bdf7ceebe88dfe3f4c194da0f649763e44a6d5f2ad53d9069afad2974ac8f3dec2da7054e2d4ff3e1365eb717d84334511d6ef17eac2ebed30d927e7dbf828f3a181e19821674357619af2006be6d5e6a30c9f1daef6be22ac5641190ec87d89cb92708b9be3883201fe513f0bc531e7e742907ba090c3270fa5229561b9573e496fd9dffa2ae885265980f622a9104931865c4c7fc7e93ea272baaa3ce432208edbf278d22f2224fb6bafa26d1a1338df74436bbaba36208b19fb93d130f985aa8fc8ebe74f8d67c56d633656622904293382d85bf443f43925a7c3223cd74287042ae934c337024e5fa3e0df49b62b0057afdecf1cd7e23b34ffa3db13e53bd91348455b32dc918b71c573f3b822222d01bc4b01c7a2c4667cb7eae7f8ae325bcc6917b796660a9ec6e70c650e7828ed3aca39166e95c1e82c2014d49044996f39b831ef8805b087f3ee330ac71ee869a336154592990c3e1b41365a3322c62a7e18e7bc4475756b90c0e0e43fb80c0fb91620bd0b6d3918c11e55c561d77b617cefcd21d597c27316449d45c4857690fbbb915ff0c30a6005de0f295e88ab967ce80be9b539badfad3eb5dbc9f9e4ace4a81bd2015e85fb17cc458f9451271e2e921cadc2c8499350f630dd57e4f7b886e7', '2026-11-29 14:33:30.500', 'a1b1e000-0000-4000-8000-00000000a1b1', '5a9d0b0c-0000-4000-8000-000000005a9d', 'automatic', 'c0f078a3-7906-43af-8815-301644f19b67', '2026-11-29 14:33:30.447', '{"objectId":"4bf8db4e-d888-597d-9a27-fe76227de152","username":"admin@alpine.onmicrosoft.com","name":"Ada Alpine"}', 'Rita Reseller', '["https://api.partnercenter.microsoft.com/user_impersonation","https://graph.microsoft.com/Directory.Read.All","https://graph.microsoft.com/User.Read","https://management.azure.com/user_impersonation","openid","profile"]', '{"mfa":"yes","globalAdmin":"yes","adminAgent":"yes","apis":{"arm":{"works":"yes","at":"2026-11-29T14:33:30.506929754Z","mfa":"unknown"},"graph":{"works":"yes","at":"2026-11-29T14:33:30.500072435Z","mfa":"unknown"},"partnercenter":{"works":"yes","at":"2026-11-29T14:33:30.496854814Z","mfa":"yes"}}}', 3);
INSERT INTO grants (tenant_id, slot, refresh_token, issued_at, directory_id, application_id, procedure_name, consent_id, consented_at, consented_by, asked_by, scopes, checks, version) VALUES ('35278c41-ea51-476a-9590-a74872e3b9a8', 'predecessor', X'01860d53b98531ce9652c63e40136fd21a343c7a301ab7672bd1912bab93126b2c62a7fcaea7c6a2f26374b6a1608fe9758cda9cb9235d1c8d07682b03753127d73b9a061f0c7957c28529cd5cf0abcc93a959e50897ee19d9183296db030f105b7617167d774a0f42ae6a597250008629cb3dd332ddf2ead4f652728f3b01d2b9967e3a1608f72b3764f5358da75978a8ade2d3387b21558be2dd608eb36b46808f024da10a8196576d135838189e8b90796530dbfed75f305ad638f491b10f8db793d82b85b7ab25350e211b14ad63e5467d37cb9db8b2534aaf6b7d3cafd3d0990cab6100be5b0d82c3c557b17c8d02175a61babc67020084ee83f642bd9816de9f3a18c9e5793cb2046615b2b1ccc5176125579c7f0a3f79e2617ed02c7cf7271b55c33bf4c45152463e02a9845323ec821f430af48d8f12a1b737545f84bfc1794f304984eb49bd45b7606621206fc2e34d0c07cdbc44e34915724eb0a9fa4fa254f430b71c9c56b71540a768c53854ada053f55a64eff66ec4c80ff1b88b7f500151872849c4b59897f72a2bece6192ae47391bda1446105ae056892015c102efe514052ed4b7bb0e6f26fb049704a116ea1cebf2e18e93392337e9b6bace15a9c1ca93c6d722182a04cf7c00c22b6834b2c91d2af80a97d1233a3b1a46fc729a54d7662c51ff8652d1e9f29a7b60fae64c65b032baf0a9ae9db01ab9ffd529ee61dd273404d80bf54d98e0f7a860160da0743cba68a4167350e468dbe99c15a3e40628d01ae0abb338894943ffe8e64c302034fc0b4eb016b3daa212bc1307a4e8aaadeb5a0a4651c647af1f424306d05dbeb807b952115ce595ec7b8ee4fea8cf1a7a500b66554222b5cb74f3d62466898ac2f5bb291f47045c12cfd24edaa9f09df822cf40a6ad22b5cdb4a4a6925e83aee60b1043b15b4f63ffd691f7419d8df58535a3eb0d835afb3fa5fe55945f19a7f7d7e2ebed257bbb6bde928b6a6d2501ebd08695c26427dae4209a7a36ffa2a5023a78c2060cf1c003ca5e8455cc029ad242689f6ca69ed1111bf1d5f730899d00b0d2db579e01e88ddeed19d082b1f7785339258f70e94d46156518d0644e32dfacbc5c4609cab6dc4e4a3f54d858a9843e92786774f20033c649504ea590a23bc249919a9d4b5b52c227f718dbce0554b2ddc779faa6597558decaca0ebdcfc72cc7cec528c19003e45bddc551fd8324afc126eba10d7426d24c1af9628a399e1ffabcbb5c6cd9259e88189461ad17c36daaa0bb4bc623bee4b2c953716c828740b95ab40c7dea9f7db34b2cfbc9cdb4898b4e01def02216dc8f141dc3f77052c3ea48b0a6e3bede14d4e0ce7655081584b7a5de0f4dd4111f85be0de320dbbc007cde75f9b71eff83b70b60a9f711710173d515aecc6857bac44538178acdf04a287c8389993d4850b82a9baa0e7f5e430467b0dd868d7d0343d85cdce51aac5fdfff266b06878ab73094ff66bd511f3503330b5566aa2e86336f761b288234c1303d9e045dc5779384219caaeab3427105b1233d5261ff07f864ad35dea323578af1c20a85c9d45068db8afcc6d6cc4014dd85d56bc6dc4c2aff67dfe01d443270bdba2a79936b3128fd721ee1e36605fbceeaa209582ab57c15e868a8a8b0ef051818841ab6e9fe7a0fc2872b224f7b3ffb7c34fa9946ddc4b44dc544a1dc6704d671901c055c1afd8a29a4b57cdd850c08849ebf05d0c61761aee3ada', '2026-11-29 14:33:30.463', 'a1b1e000-0000-4000-8000-00000000a1b1', '5a9d0b0c-0000-4000-8000-000000005a9d', 'automatic', 'c0f078a3-7906-43af-8815-301644f19b67', '2026-11-29 14:33:30.447', '{"objectId":"4bf8db4e-d888-597d-9a27-fe76227de152","username":"admin@alpine.onmicrosoft.com","name":"Ada Alpine"}', 'Rita Reseller', '["https://api.partnercenter.microsoft.com/user_impersonation","https://graph.microsoft.com/Directory.Read.All","https://graph.microsoft.com/User.Read","https://management.azure.com/user_impersonation","openid","profile"]', '{"mfa":"yes","globalAdmin":"yes","adminAgent":"yes","apis":{"arm":{"works":"yes","at":"2026-11-29T14:33:30.471238513Z","mfa":"unknown"},"graph":{"works":"yes","at":"2026-11-29T14:33:30.463019955Z","mfa":"unknown"},"partnercenter":{"works":"yes","at":"2026-11-29T14:33:30.44801252Z","mfa":"yes"}}}', 1);
INSERT INTO instances (instance_key, instance_id, root_id, controller_uri, package_version, cloud, application_id, credentials, mfa_request, borrowers, skip_landing, direct_link, tenant_application, created_at, updated_at, removed_at, version) VALUES ('sandbox-cf19bbd3-78d8-49fe-853b-3f4fc26b9fd1', '38265872-d59d-407a-acf5-41579812157c', 'e1a41606-f33c-4c11-a3af-966009193bf4', 'http://127.0.0.1:37041/', '1-1', 'global', '5a9d0b0c-0000-4000-8000-000000005a9d', X'01860d53b97986e8487ca70230de51b7cccb61654011e177d444b2709d34593f90980d9a7e64fb762eff783a05d176baafdf2af12d23c7047d7135b21cf91af96f0b40a3f5e08ecc8c24d7fba8ea6f6c63b707fbff4ccea7d96171bf3b3fbb25530dd8cfab442dbc61ccfc9644f7bc2c3a0430663481514de2c59f78323fc7d718b59244fe20199a334d71d3f8cdeaac5304d684ada0455ca9', 'amr', '["402c67f9-4dd2-47ae-a132-3553ba9144ac"]', 0, 0, 0, '2026-11-29 14:33:30.327', '2026-11-29 14:33:30.327', NULL, 1);
INSERT INTO nonces (consumer_key, nonce_hash, expires_at) VALUES ('sandbox-cf19bbd3-78d8-49fe-853b-3f4fc26b9fd1', X'6110d961f9fe2ef936fe681b6121cb3e7fc3d1e31405335d03d63a242fb7d151', '2026-11-29 14:43:30.000');
INSERT INTO nonces (consumer_key, nonce_hash, expires_at) VALUES ('sandbox-cf19bbd3-78d8-49fe-853b-3f4fc26b9fd1', X'8861847a2f551124294f78598a092688f6736b9e7452970feb8c92952d6101b3', '2026-11-29 14:43:30.000');
INSERT INTO nonces (consumer_key, nonce_hash, expires_at) VALUES ('sandbox-cf19bbd3-78d8-49fe-853b-3f4fc26b9fd1', X'9575d748a7e3bd5c2b7aa91aac92cb3ffcd63869ca385e096cb598792ff8adca', '2026-11-29 14:43:30.000');
INSERT INTO nonces (consumer_key, nonce_hash, expires_at) VALUES ('sandbox-cf19bbd3-78d8-49fe-853b-3f4fc26b9fd1', X'acf6995634001a9a4386e9f5d39695a5d67dd4876dc32bb5aa2ca82ec87f6345', '2026-11-29 14:43:30.000');
INSERT INTO nonces (consumer_key, nonce_hash, expires_at) VALUES ('sandbox-cf19bbd3-78d8-49fe-853b-3f4fc26b9fd1', X'c274997ea760510c77747ca749f705b239d3273ab236f853eb66e87d873656a9', '2026-11-29 14:43:30.000');
INSERT INTO nonces (consumer_key, nonce_hash, expires_at) VALUES ('sandbox-cf19bbd3-78d8-49fe-853b-3f4fc26b9fd1', X'fea264faf6e6db4f9da2f1957e802e6a319471cc07c2faa91d2309dcb8fb9fe9', '2026-11-29 14:43:30.000');
INSERT INTO schedules (tenant_id, due_at, expires_at, slack_day, lease_owner, lease_until, attempt, last_at, last_success_at, failing_since, failure, version) VALUES ('35278c41-ea51-476a-9590-a74872e3b9a8', '2026-12-09 14:33:29.640', '2027-02-27 14:33:30.500', 20876, NULL, NULL, 0, '2026-11-29 14:33:30.495', '2026-11-29 14:33:30.495', NULL, NULL, 3);
INSERT INTO schema_versions (id, version_id, is_applied, tstamp) VALUES (1, 0, 1, '2026-11-29 14:33:30.000');
INSERT INTO schema_versions (id, version_id, is_applied, tstamp) VALUES (2, 1, 1, '2026-11-29 14:33:30.000');
INSERT INTO schema_versions (id, version_id, is_applied, tstamp) VALUES (3, 2, 1, '2026-11-29 14:33:30.000');
INSERT INTO schema_versions (id, version_id, is_applied, tstamp) VALUES (4, 3, 1, '2026-11-29 14:33:30.000');
INSERT INTO states (state_hash, consent_id, tenant_id, browser_hash, without_claims, nonce, verifier, created_at, expires_at, used_at, ended_at) VALUES ('W7Sh-F4RLhiie7FkHHk_2i5KyPJAzWR3rfv1xi9gAJI', 'c0f078a3-7906-43af-8815-301644f19b67', '35278c41-ea51-476a-9590-a74872e3b9a8', 'tyTzO1NJ2yc56hL_x4Ymyf3kNW8m_7byapcUM8AWCVw', 0, X'01860d53b91322b408881c7cc099e12a6316e52fe503a0edfc1e938fc2470c9f7f29cfee5096c588cb0e2dbfcb4d5955d4adef831b4d67381f8a37fd9c1c60254378b5a187d9c9acb709f377', X'01860d53b94352405e600cc3023eb07cf73b9fbb17b5799eeb00078b8d08971247f074f04d1cd8db26167d8b84fac00ffcb69e3fafa15fbfcceb1c7dcbaba8cddc969b7f848b4a523abd9548', '2026-11-29 14:33:30.431', '2026-11-29 14:48:30.431', '2026-11-29 14:33:30.438', '2026-11-29 14:33:30.438');
INSERT INTO tenants (id, instance_key, account_id, subscription_id, name, marketplace, directory_id, directory, application_id, credentials, created_at, updated_at, version) VALUES ('35278c41-ea51-476a-9590-a74872e3b9a8', 'sandbox-cf19bbd3-78d8-49fe-853b-3f4fc26b9fd1', '6d612d65-c097-4906-8a51-950362280927', 'f60dc6dc-7043-4d66-b907-667127353c5c', 'Alpine Cloud', 'Larkfield Cloud Marketplace', 'a1b1e000-0000-4000-8000-00000000a1b1', 'alpine.onmicrosoft.com', '', NULL, '2026-11-29 14:33:30.346', '2026-11-29 14:33:30.346', 1);
INSERT INTO tenants (id, instance_key, account_id, subscription_id, name, marketplace, directory_id, directory, application_id, credentials, created_at, updated_at, version) VALUES ('9d91c85d-99be-4773-8cd8-feef6580df24', 'sandbox-cf19bbd3-78d8-49fe-853b-3f4fc26b9fd1', '9bb69509-1240-4b8e-a899-59de5a800a25', '4e383931-a160-4896-bfbb-67f56eac07da', 'Baltic IT', 'Larkfield Cloud Marketplace', 'ba171c00-0000-4000-8000-0000000ba171', 'ba171c00-0000-4000-8000-0000000ba171', '', NULL, '2026-11-29 14:33:30.356', '2026-11-29 14:33:30.356', 1);
INSERT INTO tenants (id, instance_key, account_id, subscription_id, name, marketplace, directory_id, directory, application_id, credentials, created_at, updated_at, version) VALUES ('d05f2523-2ce5-46cd-9674-0c5d92958270', 'sandbox-cf19bbd3-78d8-49fe-853b-3f4fc26b9fd1', '70ee3e3a-c77a-4733-9f7e-fb6068fbf84c', '99e955b4-a4ba-4b13-a685-29fdd05773bd', 'Alpine South', 'Larkfield Cloud Marketplace', 'a5007400-0000-4000-8000-0000000a5007', 'a5007400-0000-4000-8000-0000000a5007', '', NULL, '2026-11-29 14:33:30.372', '2026-11-29 14:33:30.372', 1);
INSERT INTO ties (instance_key, root_id, renewal_task, account_events, version) VALUES ('sandbox-cf19bbd3-78d8-49fe-853b-3f4fc26b9fd1', 'e1a41606-f33c-4c11-a3af-966009193bf4', '1fb89ee5-08bc-47a6-8038-83bc9e3c2297', 'e16c0141-297f-4c39-8379-8cfa9479e8fa', 2);
