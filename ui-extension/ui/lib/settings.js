/*
 * The screen "Settings": the directory of the reseller and, where the provider allows it, the reseller's own application.
 * Saved values go through the platform to the connector, which refuses what Microsoft would refuse; the platform then
 * keeps the old values. Secrets are only sent, never read. lib/ux1 describes what a panel is.
 */
define([
    "app/lib/operations",
    "app/lib/failure",
    "app/lib/words",
    "app/lib/settingswidgets",
    "app/lib/dom"
], function (operationsOf, failures, words, widgets, dom) {
    "use strict";

    const shown = ["applicationId", "applicationSecretEnd", "nextApplicationSecretEnd"];
    const secrets = ["applicationSecret", "nextApplicationSecret", "applicationCertificate"];
    const fields = ["directory"].concat(shown, secrets);

    // The field that a refusal of the connector belongs to.
    const about = {
        directory_missing: "directory",
        directory_unknown: "directory",
        directory_taken: "directory",
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

    /* check returns what is wrong with what was entered, as field → text; the connector checks the rest. stored is the
       tenant as the platform has it. */
    const check = function (t, entered, stored, own) {
        const wrong = {};
        if (!entered.directory) {
            wrong.directory = t("Enter the directory (tenant) ID or its onmicrosoft.com domain.");
        }
        if (!own) {
            return wrong;
        }
        if (entered.applicationId && !guid.test(entered.applicationId)) {
            wrong.applicationId = t("An application (client) ID has the form 00000000-0000-0000-0000-000000000000. Copy it from the overview page of the app registration.");
        }
        const given = secrets.filter(function (name) { return entered[name]; });
        if (!entered.applicationId && given.length) {
            wrong.applicationId = t("Enter the ID of the application to which the credentials belong.");
        } else if (entered.applicationId && entered.applicationId !== stored.applicationId && !given.length) {
            wrong.applicationSecret = t("Enter a client secret or a certificate of the new application.");
        }
        ["applicationSecret", "nextApplicationSecret"].forEach(function (name) {
            if (guid.test(entered[name])) {
                wrong[name] = t("This is the ID of a secret. Copy its value; it is shown only once, right after the secret is made.");
            }
            const end = entered[name + "End"];
            if (end && (!day.test(end) || isNaN(new Date(end)))) {
                wrong[name + "End"] = t("Enter a day as in 2027-11-23.");
            }
        });
        return wrong;
    };

    return function (panel) {
        const t = panel.t;
        const widget = panel.byId;
        const visits = operationsOf.visits();
        const still = visits.still;
        let operations = null;
        let tenant = null; // as the platform has it; null until it is read
        let own = false; // whether the provider allows an application of the reseller's own

        const text = function (name) { return String(widget(name).get("value") || "").trim(); };
        const setText = function (name, value) { widget(name).set("value", value || ""); };

        const showWrong = function (wrong) {
            const first = fields.find(function (name) { return wrong[name]; });
            if (first) {
                dom.focus(widget(first));
            }
            fields.forEach(function (name) {
                setText(name + "Error", wrong[name]);
                dom.invalid(widget(name), wrong[name] ? widget(name + "Error") : null);
            });
        };

        const forgetSecrets = function () {
            secrets.forEach(function (name) { setText(name, ""); });
        };

        const fill = function (resource) {
            tenant = resource;
            setText("directory", resource.directory);
            shown.forEach(function (name) { setText(name, resource[name]); });
            setText("applicationCertificateEnd", resource.applicationCertificateEnd ? words.date(resource.applicationCertificateEnd + "T12:00:00Z") : t("None"));
            forgetSecrets();
        };

        const showApplication = function (s) {
            own = s.tenantApplication === true;
            setText("providerApplication", s.applicationId || t("Not set"));
            widget("applicationPanel").set("visible", own);
            widget("providerPanel").set("visible", !own);
        };

        const complain = function (error) { panel.showMessage("error", failures.errorMessage(t, error)); };

        const loadApplication = function () {
            operations.tokenStatus().then(still(showApplication), still(complain));
        };

        const load = function () {
            loadApplication();
            return operations.read().then(still(fill), still(complain));
        };

        const changes = function (entered) {
            const changed = { aps: { id: tenant.aps.id, type: tenant.aps.type }, directory: entered.directory };
            if (own) {
                shown.forEach(function (name) { changed[name] = entered[name]; });
                secrets.forEach(function (name) {
                    if (entered[name]) {
                        changed[name] = entered[name];
                    }
                });
            }
            return changed;
        };

        const refused = function (error) {
            const failure = failures.read(error).failure;
            const name = failure && about[failure.code];
            if (name && (own || name === "directory")) {
                showWrong(Object.fromEntries([[name, failures.messageOf(t, failure)]]));
            } else {
                complain(error);
            }
        };

        return {
            tree: function () { return widgets(panel); },

            show: function () {
                const chosen = operationsOf.choose(panel.vars().tenant, panel.subscription()).tenant;
                ["applicationSecret", "nextApplicationSecret"].forEach(function (name) { dom.secret(widget(name)); });
                fields.forEach(function (name) { dom.live(widget(name + "Error"), "assertive"); });
                dom.oneTime(widget("applicationCertificate"));
                widget("directoryPanel").set("visible", Boolean(chosen));
                setText("note", chosen ? "" : t("This account has no Azure Partner subscription, so there is nothing to set up."));
                if (!chosen || tenant) {
                    return null; // nothing to show, or something that a person may be changing
                }
                operations = operationsOf(chosen.aps.id);
                return load();
            },

            /* submit checks and saves; it is the button below the screen. */
            submit: function () {
                panel.clearMessage();
                if (!tenant) {
                    panel.done();
                    return;
                }
                const entered = Object.fromEntries(fields.map(function (name) { return [name, text(name)]; }));
                const wrong = check(t, entered, tenant, own);
                showWrong(wrong);
                if (Object.keys(wrong).length) {
                    panel.done();
                    return;
                }
                const changed = changes(entered);
                operations.save(changed).then(still(function (saved) {
                    panel.showMessage("info", t("The settings have been saved."));
                    fill(Object.assign({}, tenant, changed, saved));
                    loadApplication();
                }), still(refused)).always(panel.done);
            },

            cancel: function () { panel.open("token", "settings"); },

            /* hide drops what was entered and not saved. */
            hide: function () {
                visits.end();
                tenant = null;
                forgetSecrets();
                showWrong({});
                panel.clearMessage();
            }
        };
    };
});
