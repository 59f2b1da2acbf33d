/*
 * The screen "Refresh Tokens" of the provider: all resellers with the states of their tokens, and one of them in detail.
 * The provider may only check and renew. lib/ux1 describes what a panel is.
 */
define([
    "aps/Memory",
    "app/lib/operations",
    "app/lib/failure",
    "app/lib/words",
    "app/lib/groups",
    "app/lib/tenantswidgets",
    "app/lib/dom"
], function (Memory, operationsOf, failures, words, groups, widgets, dom) {
    "use strict";

    const refreshEvery = 60000;
    const historyLength = 50;

    /* rowsOf returns the rows of the list, the most urgent first. Tenants without a token come before all others. */
    const rowsOf = function (t, tenants) {
        const states = words.states(t);
        const rows = tenants.map(function (tenant) {
            return {
                id: tenant.id,
                name: tenant.name || tenant.id,
                state: tenant.state,
                stateText: (states[tenant.state] || { label: tenant.state }).label,
                daysLeft: tenant.expiresAt ? tenant.daysLeft : -1,
                expiresAt: tenant.expiresAt || "",
                nextRenewalAt: tenant.nextRenewalAt || "",
                directory: tenant.directory || ""
            };
        });
        return rows.sort(function (a, b) { return a.daysLeft - b.daysLeft || a.name.localeCompare(b.name); });
    };

    return function (panel) {
        const t = panel.t;
        const widget = panel.byId;
        const lifetime = operationsOf.lifetime();
        const whileOpen = lifetime.whileOpen;
        let instances = [];
        let chosen = null; // {row, operations} of the tenant whose details are shown
        let timer = 0;
        // Tenant → its button in the list. The buttons have no ids, because a grid may draw new ones before it destroys
        // the old ones.
        const detailButtons = {};

        let focusedTenant = ""; // the tenant whose button had the focus before the list was redrawn

        /* showUnlisted names the panels that the operator has to list, so that automatic updates take effect in them at once. */
        const showUnlisted = function (tenants) {
            const origins = tenants.map(function (tenant) { return tenant.unlistedOrigin; }).filter(Boolean);
            const named = origins.filter(function (origin, i) { return origins.indexOf(origin) === i; });
            widget("note").set("value", named.length ? t("Automatic updates end with an authentication code in these panels: __origins__. If they are yours, the operator of the connector has to add them to panelOrigins in its configuration.", { origins: named.join(", ") }) : "");
        };

        const showRows = function (tenants) {
            showUnlisted(tenants);
            focusedTenant = Object.keys(detailButtons).find(function (id) {
                return detailButtons[id].domNode && detailButtons[id].domNode.contains(document.activeElement);
            }) || "";
            widget("list").set("noDataText", t("No reseller has an Azure Partner subscription yet."));
            widget("list").set("store", new Memory({ data: rowsOf(t, tenants), idProperty: "id" }));
        };

        const showNoRows = function (error) {
            widget("list").set("noDataText", t("The list cannot be read at the moment."));
            widget("list").set("store", new Memory({ data: [], idProperty: "id" }));
            panel.showMessage("error", failures.errorMessage(t, error));
        };

        /* readInstances reads the tenants of the instances one after the other, and adds them to tenants. */
        const readInstances = function (ids, tenants) {
            return operationsOf(ids[0]).tenants().then(function (more) {
                const all = tenants.concat(more || []);
                return ids.length > 1 ? readInstances(ids.slice(1), all) : all;
            });
        };

        const loadList = function () {
            return readInstances(instances, []).then(whileOpen(showRows), whileOpen(showNoRows));
        };

        /* whileChosen ignores an answer if the details of another tenant are shown by then. */
        const whileChosen = function (tenant, show) {
            return whileOpen(function (value) {
                if (chosen === tenant) {
                    show(value);
                }
            });
        };

        const disable = dom.disabler();
        const busy = function (is) { disable(["check", "renew"].map(widget), is); };

        const showStatus = function (s) {
            groups.showStatus(panel, s);
            busy(!s.expiresAt || s.state === "suspended");
        };

        const loadDetail = function () {
            const tenant = chosen;
            tenant.operations.history(historyLength).then(whileChosen(tenant, function (events) {
                groups.showHistory(panel, events || []);
            }), whileChosen(tenant, function () { groups.showHistory(panel, null); }));
            return tenant.operations.tokenStatus().then(whileChosen(tenant, showStatus), whileChosen(tenant, function (error) {
                groups.showUnknown(panel, error);
                busy(true);
            }));
        };

        const reload = function () {
            if (chosen) {
                loadDetail();
            }
            return loadList();
        };

        const showDetail = function (is) {
            ["detail", "historyPanel"].forEach(function (name) { widget(name).set("visible", is); });
        };

        const open = function (row) {
            chosen = { row: row, operations: operationsOf(row.id) };
            panel.clearMessage();
            widget("status").set("title", t("Token Status of __name__", { name: row.name }));
            groups.showLoading(panel);
            groups.showHistory(panel, []);
            busy(true);
            showDetail(true);
            dom.focus(widget("close"));
            loadDetail();
        };

        /* act runs an operation that answers with the new status. */
        const act = function (call, done) {
            const tenant = chosen;
            panel.clearMessage();
            busy(true);
            call(tenant.operations).then(whileChosen(tenant, function (s) {
                showStatus(s);
                done(s);
                reload();
            }), whileChosen(tenant, function (error) {
                panel.showMessage("error", failures.errorMessage(t, error));
                reload();
            }));
        };

        const handlers = {
            details: open,
            drawn: function (row, button) {
                detailButtons[row.id] = button;
                if (row.id === focusedTenant) {
                    focusedTenant = "";
                    setTimeout(function () { dom.restoreFocus(button); }); // after the grid has inserted it
                }
            },
            close: function () {
                const button = chosen && detailButtons[chosen.row.id];
                chosen = null;
                showDetail(false);
                panel.clearMessage();
                if (button && button.domNode) {
                    dom.focus(button);
                }
            },
            check: function () {
                act(function (operations) { return operations.check(); }, function () {
                    panel.showMessage("info", t("The token has been checked."));
                });
            },
            renew: function () {
                act(function (operations) { return operations.renew(); }, function (s) {
                    if (s.lastRenewal && s.lastRenewal.ok) {
                        panel.showMessage("info", t("The refresh token has been renewed."));
                    } else if (s.failure) {
                        panel.showMessage("error", failures.messageOf(t, s.failure));
                    }
                });
            }
        };

        const refresh = function () {
            timer = setTimeout(whileOpen(function () {
                if (!document.hidden) {
                    loadList();
                }
                refresh();
            }), refreshEvery);
        };

        /* reloadIfVisible reads everything again after a person has returned to the screen from another window. */
        const reloadIfVisible = function () {
            if (!document.hidden) {
                reload();
            }
        };

        return {
            tree: function () { return widgets(panel, handlers); },

            show: function () {
                const apps = [].concat(panel.vars().app || []).filter(function (app) { return app && app.aps; });
                instances = apps.map(function (app) { return app.aps.id; });
                clearTimeout(timer);
                groups.announceReason(panel);
                widget("listPanel").set("visible", instances.length > 0);
                widget("note").set("value", instances.length ? "" : t("This account has no instance of the Azure Partner connector."));
                if (!instances.length) {
                    return null;
                }
                refresh();
                document.addEventListener("visibilitychange", reloadIfVisible);
                return reload();
            },

            hide: function () {
                lifetime.end();
                clearTimeout(timer);
                document.removeEventListener("visibilitychange", reloadIfVisible);
                handlers.close();
            }
        };
    };
});
