/*
 * The screen "Settings": the directory of the reseller, who receives notices (since version 2 of the package) and, where the
 * provider allows it, the reseller's own application. The platform passes saved values to the connector, which refuses what
 * Microsoft would refuse; then the platform keeps the old values. Secrets are only sent, never read. lib/ux1 describes what a
 * panel is.
 */
define([
    "aps/confirm",
    "aps/Memory",
    "app/lib/connector",
    "app/lib/settingswidgets",
    "app/lib/dom"
], function (confirm, Memory, connector, widgets, dom) {
    "use strict";

    const { operations: operationsOf, failures, words } = connector;

    const readable = ["applicationId", "applicationSecretEnd", "nextApplicationSecretEnd"];
    const certificates = ["applicationCertificate", "nextApplicationCertificate"];
    const secrets = ["applicationSecret", "nextApplicationSecret"].concat(certificates);
    const notices = ["noticeRecipients", "noticeLanguage"];
    const fields = ["directory"].concat(notices, readable, secrets); // in the order of the screen

    const languages = ["de", "en", "es", "fr", "it", "ja", "nl", "pt", "ru"];
    const maxRecipients = 5;

    // Failure code of the connector → the field at which it is shown.
    const fieldOf = {
        recipients_invalid: "noticeRecipients",
        directory_missing: "directory",
        directory_unknown: "directory",
        directory_refused: "directory",
        application_invalid: "applicationId",
        application_unknown: "applicationId",
        application_missing: "applicationId",
        secret_is_id: "applicationSecret",
        certificate_unreadable: "applicationCertificate",
        certificate_key: "applicationCertificate",
        certificate_mismatch: "applicationCertificate",
        certificate_expired: "applicationCertificate"
    };

    const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
    const day = /^\d{4}-\d{2}-\d{2}$/;
    const address = /^[^\s@,;:<>()[\]"\\]+@[^\s@,;:<>()[\]"\\]+$/;

    /* atVersion2 reports whether the package of a resource has what came with version 2: recipients of notices, and the test of
       credentials. The version is that of the type. */
    const atVersion2 = function (resource) {
        const version = /\/(\d+)\.\d+$/.exec(resource.aps.type);
        return Boolean(version) && Number(version[1]) >= 2;
    };

    /* addresses returns what a person separates by lines, spaces, commas or semicolons. */
    const addresses = function (text) { return text.split(/[\s,;]+/).filter(Boolean); };

    const checkNotices = function (t, entered) {
        const errors = {};
        const recipients = addresses(entered.noticeRecipients);
        const wrong = recipients.find(function (one) { return !address.test(one); });
        if (wrong) {
            errors.noticeRecipients = t("This isn't an email address: __address__", { address: wrong });
        } else if (recipients.length > maxRecipients) {
            errors.noticeRecipients = t("Enter no more than five email addresses.");
        }
        if (entered.noticeLanguage && languages.indexOf(entered.noticeLanguage.toLowerCase()) < 0) {
            errors.noticeLanguage = t("Enter de, en, es, fr, it, ja, nl, pt or ru, or leave the field empty.");
        }
        return errors;
    };

    /* tested says of each credential whether Microsoft accepted it. */
    const tested = function (t, answer) {
        return answer.credentials.map(function (c) {
            const state = c.failure ? failures.consentMessage(t, c.failure) : t("Microsoft accepted it."); // nothing retries it
            return t("__name__: __state__", { name: words.credential(t, c.name), state: state });
        }).join(" ");
    };

    /* services and directories are the lists of what one may get access tokens for. */
    const services = function (t, one) { return one.apis.map(function (api) { return words.api(t, api); }).join(", "); };
    const directories = function (t, one) {
        return one.directories.map(function (directory) {
            return { partner: t("Partner directory"), customers: t("Customer directories") }[directory] || directory;
        }).join(", ");
    };

    /* borrowerRows returns the rows of the applications that may get access tokens, with their IDs where they have no name. */
    const borrowerRows = function (t, borrowers) {
        return borrowers.map(function (b) {
            return words.plain({ id: b.id, name: b.name || b.id, apis: services(t, b), directories: directories(t, b) });
        });
    };

    /* clientRows returns the rows of the clients of the token API. */
    const clientRows = function (t, clients) {
        const used = function (client) {
            if (client.shared) {
                return t("Not shown (shared with other resellers)");
            }
            return client.lastUsedAt ? words.time(client.lastUsedAt) : t("Never");
        };
        const access = { lend: t("Access tokens"), forward: t("Forwarded calls") };
        return clients.map(function (c) {
            return words.plain({
                id: c.name,
                name: c.name,
                operations: c.operations.map(function (one) { return access[one]; }).join(", "),
                apis: services(t, c),
                directories: directories(t, c),
                used: used(c)
            });
        });
    };

    /* check validates the input and returns the errors, field → text; the connector checks the rest. stored is the tenant
       as the platform stores it. */
    const check = function (t, entered, stored, own) {
        const errors = atVersion2(stored) ? checkNotices(t, entered) : {};
        if (!entered.directory) {
            errors.directory = t("Enter the directory (tenant) ID or its onmicrosoft.com domain.");
        }
        if (!own) {
            return errors;
        }
        if (entered.applicationId && !guid.test(entered.applicationId)) {
            errors.applicationId = t("An application (client) ID looks like 00000000-0000-0000-0000-000000000000. Copy it from the overview page of the app registration.");
        }
        const newSecrets = secrets.filter(function (name) { return entered[name]; });
        if (!entered.applicationId && newSecrets.length) {
            errors.applicationId = t("Enter the ID of the application to which the credentials belong.");
        } else if (entered.applicationId && entered.applicationId !== stored.applicationId && !newSecrets.length) {
            errors.applicationSecret = t("Enter a client secret or a certificate of the new application.");
        }
        ["applicationSecret", "nextApplicationSecret"].forEach(function (name) {
            if (guid.test(entered[name])) {
                errors[name] = t("This is the ID of a secret. Copy its value, which is shown only once, right after the secret is created.");
            }
            const end = entered[name + "End"];
            if (end && (!day.test(end) || isNaN(new Date(end)))) {
                errors[name + "End"] = t("Enter a date such as 2027-11-23.");
            }
        });
        return errors;
    };

    return function (panel) {
        const t = panel.t;
        const widget = panel.byId;
        const lifetime = operationsOf.lifetime();
        const whileOpen = lifetime.whileOpen;
        let operations = null;
        let tenant = null; // as the platform stores it; null until it is read
        let own = null; // whether the provider allows an application of the reseller's own; null until it is read
        let draft = null; // what was entered when the person left by the panel's menu, which asks no screen, and for which tenant

        // What is no day yet must not count as none.
        const text = function (name) { return dom.unreadable(widget(name)) ? "?" : String(widget(name).get("value") || "").trim(); };
        const setText = function (name, value) { widget(name).set("value", value || ""); };

        /* stored returns a property as its field shows it; secrets are never shown. */
        const stored = function (name) {
            return secrets.indexOf(name) < 0 && [].concat(tenant[name] || []).join("\n") || "";
        };

        const showErrors = function (errors) {
            const first = fields.find(function (name) { return errors[name]; });
            if (first) {
                dom.focus(widget(first));
            }
            fields.forEach(function (name) {
                setText(name + "Error", errors[name]);
                dom.invalid(widget(name), errors[name] ? widget(name + "Error") : null);
            });
        };

        const entries = function () {
            return Object.fromEntries(fields.map(function (name) { return [name, text(name)]; }));
        };

        /* checkField shows the error of one field, when a person leaves it, without taking the focus back. */
        const checkField = function (name) {
            if (!tenant) {
                return;
            }
            const error = check(t, entries(), tenant, own)[name];
            setText(name + "Error", error);
            dom.invalid(widget(name), error ? widget(name + "Error") : null);
        };

        const visible = function (name) {
            if (notices.indexOf(name) >= 0) {
                return atVersion2(tenant);
            }
            return own || name === "directory";
        };

        /* changed reports whether something was entered that is not stored. */
        const changed = function () {
            return Boolean(tenant) && fields.filter(visible).some(function (name) { return text(name) !== stored(name); });
        };

        const clearSecrets = function () {
            secrets.forEach(function (name) { setText(name, ""); });
        };

        const clearRemoved = function () {
            secrets.forEach(function (name) { setText(name + "Removed", ""); });
        };

        /* showPanels shows what there is to fill in, once the settings are read: they would overwrite what was entered before. */
        const showPanels = function () {
            const read = Boolean(tenant);
            const later = read && atVersion2(tenant);
            const shown = { directoryPanel: read, noticesPanel: later, trial: later, applicationPanel: read && own === true, providerPanel: own === false };
            Object.keys(shown).forEach(function (name) { widget(name).set("visible", shown[name]); });
        };

        const fillCertificateEnds = function (resource) {
            certificates.forEach(function (name) {
                const end = resource[name + "End"];
                setText(name + "End", end ? words.endDate(end) : t("None"));
            });
        };

        /* allowRemoval enables the buttons that remove credentials: which of them the connector has, nobody reads. */
        const allowRemoval = function (is) {
            secrets.forEach(function (name) { widget(name + "Remove").set("disabled", !is || !tenant.applicationId); });
        };

        const fill = function (resource) {
            tenant = resource;
            ["directory"].concat(readable, notices).forEach(function (name) { setText(name, stored(name)); });
            showPanels();
            setText("testResult", "");
            clearRemoved();
            fillCertificateEnds(resource);
            clearSecrets();
            allowRemoval(true);
        };

        const showApplication = function (s) {
            own = s.tenantApplication === true;
            setText("providerApplication", s.applicationId || t("Not set"));
            showPanels();
            widget("borrowersPanel").set("visible", Boolean(s.borrowers)); // earlier packages don't tell
            widget("borrowers").set("store", new Memory({ data: borrowerRows(t, s.borrowers || []), idProperty: "id" }));
            const clients = s.clients || [];
            ["clientsText", "clients"].forEach(function (name) { widget(name).set("visible", clients.length > 0); });
            widget("clients").set("store", new Memory({ data: clientRows(t, clients), idProperty: "id" }));
        };

        const showError = function (error) { panel.showMessage("error", failures.errorMessage(t, error)); };

        const loadApplication = function () {
            operations.statusWithClients().then(whileOpen(showApplication), whileOpen(showError));
        };

        /* keep remembers what was not saved, except secrets. */
        const keep = function () {
            const entered = entries();
            secrets.forEach(function (name) { delete entered[name]; });
            draft = { id: tenant.aps.id, entered: entered };
        };

        /* restore shows again what was not saved. */
        const restore = function () {
            if (draft && draft.id === tenant.aps.id) {
                Object.keys(draft.entered).forEach(function (name) { setText(name, draft.entered[name]); });
                panel.showMessage("info", t("What you entered earlier is here again, except secrets and certificates. It has not been saved."));
            }
            draft = null;
        };

        const load = function () {
            loadApplication();
            return operations.read().then(whileOpen(function (resource) {
                fill(resource);
                restore();
            }), whileOpen(showError));
        };

        /* ask has the browser ask before it leaves the page with what was not saved. */
        const ask = function (event) {
            if (changed()) {
                event.preventDefault();
            }
        };

        const changes = function (entered) {
            const changed = { aps: { id: tenant.aps.id, type: tenant.aps.type }, directory: entered.directory };
            if (atVersion2(tenant)) {
                changed.noticeRecipients = addresses(entered.noticeRecipients);
                changed.noticeLanguage = entered.noticeLanguage.toLowerCase();
            }
            if (own) {
                readable.forEach(function (name) { changed[name] = entered[name]; });
                secrets.forEach(function (name) {
                    if (entered[name]) {
                        changed[name] = entered[name];
                    }
                });
            }
            return changed;
        };

        /* shownAt returns the field at which a failure is shown: of two of a kind, the one that was entered. */
        const shownAt = function (name) {
            const next = "next" + name.charAt(0).toUpperCase() + name.slice(1);
            return fields.indexOf(next) >= 0 && !text(name) && text(next) ? next : name;
        };

        /* refused returns what shows why something was refused: at its field, or else with say. */
        const refused = function (say) {
            return function (error) {
                const failure = failures.read(error).failure;
                const name = failure && fieldOf[failure.code] && shownAt(fieldOf[failure.code]);
                if (name && visible(name)) {
                    showErrors(Object.fromEntries([[name, failures.messageOf(t, failure)]]));
                } else {
                    say(failures.consentErrorMessage(t, error)); // nothing retries it
                }
            };
        };

        /* removed shows that a credential is gone. What the person is entering elsewhere stays. */
        const removed = function (name, resource) {
            tenant = Object.assign({}, tenant, resource);
            setText(name, "");
            if (certificates.indexOf(name) >= 0) {
                fillCertificateEnds(tenant);
            } else {
                setText(name + "End", "");
            }
            loadApplication();
            setText(name + "Removed", t("The credential has been removed."));
        };

        const remove = function (name, title) {
            clearRemoved();
            confirm({
                title: title,
                description: t("The connector deletes this credential and continues with the others. Without any, it can't renew the refresh token. Nothing changes at Microsoft."),
                submitLabel: title,
                cancelLabel: t("Cancel")
            }).then(whileOpen(function (yes) {
                if (yes !== true) {
                    return;
                }
                allowRemoval(false);
                operations.removeCredential(name).then(whileOpen(function (resource) { removed(name, resource); }), whileOpen(function (error) {
                    setText(name + "Removed", failures.errorMessage(t, error));
                })).always(whileOpen(function () {
                    allowRemoval(true);
                    dom.restoreFocus(widget(name + "Remove"));
                }));
            }));
        };

        const disable = dom.disabler();

        /* test lets the connector try what is entered, or else what is stored, at Microsoft. */
        const test = function () {
            const entered = entries();
            const errors = check(t, entered, tenant, own);
            panel.clearMessage();
            setText("testResult", "");
            notices.forEach(function (name) { delete errors[name]; });
            if (!entered.applicationId) {
                errors.applicationId = t("Enter the ID of the application to which the credentials belong.");
            }
            showErrors(errors);
            if (Object.keys(errors).length) {
                return;
            }
            const sent = { directory: entered.directory, applicationId: entered.applicationId };
            secrets.filter(function (name) { return entered[name]; }).forEach(function (name) { sent[name] = entered[name]; });
            disable([widget("test")], true);
            operations.testCredentials(sent).then(whileOpen(function (answer) {
                setText("testResult", tested(t, answer));
            }), whileOpen(refused(function (why) { setText("testResult", why); }))).always(whileOpen(function () { disable([widget("test")], false); }));
        };

        let watched = false;
        const watch = function () {
            if (!watched) {
                fields.forEach(function (name) {
                    dom.onLeave(widget(name), function () { checkField(name); });
                    dom.onInput(widget(name), function () { setText("testResult", ""); }); // it was about other input
                });
            }
            watched = true;
        };

        return {
            tree: function () { return widgets(panel, remove, test); },

            show: function () {
                const chosen = operationsOf.choose(panel.vars().tenant, panel.subscription()).tenant;
                ["applicationSecret", "nextApplicationSecret"].forEach(function (name) {
                    dom.secret(widget(name));
                    dom.date(widget(name + "End"));
                });
                fields.forEach(function (name) { dom.live(widget(name + "Error"), "assertive"); });
                secrets.forEach(function (name) { dom.live(widget(name + "Removed"), "polite"); });
                dom.live(widget("testResult"), "polite");
                certificates.concat(notices).forEach(function (name) { dom.oneTime(widget(name)); });
                watch();
                window.addEventListener("beforeunload", ask);
                showPanels();
                setText("note", chosen ? "" : t("This account has no Azure Partner subscription, so there is nothing to set up."));
                if (!chosen || tenant) {
                    return null; // there is nothing to show, or the person may be editing
                }
                operations = operationsOf(chosen.aps.id);
                return load();
            },

            /* submit validates and saves; it belongs to a button below the screen. */
            submit: function () {
                if (!tenant) { // the message that says why stays
                    panel.done();
                    return;
                }
                panel.clearMessage();
                const entered = entries();
                const errors = check(t, entered, tenant, own);
                showErrors(errors);
                if (Object.keys(errors).length) {
                    panel.done();
                    return;
                }
                const changed = changes(entered);
                operations.save(changed).then(whileOpen(function (saved) {
                    panel.showMessage("info", t("The settings have been saved."));
                    fill(Object.assign({}, tenant, changed, saved));
                    loadApplication();
                }), whileOpen(refused(function (why) { panel.showMessage("error", why); }))).always(panel.done);
            },

            /* cancel asks before it leaves what was not saved. */
            cancel: function () {
                if (!changed()) {
                    panel.open("token", "settings");
                    return;
                }
                panel.done(); // the panel covers the screen as long as it waits
                confirm({
                    title: t("Discard Changes"),
                    description: t("What you entered has not been saved."),
                    submitLabel: t("Discard Changes"),
                    cancelLabel: t("Keep Editing")
                }).then(whileOpen(function (yes) {
                    if (yes === true) {
                        fill(tenant);
                        panel.open("token", "settings");
                    }
                }));
            },

            /* hide forgets secrets that were entered. */
            hide: function () {
                lifetime.end();
                window.removeEventListener("beforeunload", ask);
                if (changed()) {
                    keep();
                }
                tenant = null;
                own = null;
                clearSecrets();
                setText("testResult", "");
                clearRemoved();
                showErrors({});
                panel.clearMessage();
            }
        };
    };
});
