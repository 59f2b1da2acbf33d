/*
 * The screen "Refresh Tokens" of the provider: all resellers with the state of their token, and one of them in detail.
 * The provider may check and renew, and nothing else. lib/ux1 describes what a panel is.
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

    /* rowsOf makes the lines of the list, the most urgent first. A tenant without a token comes before all others. */
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
        const visits = operationsOf.visits();
        const still = visits.still;
        let instances = [];
        let chosen = null; // {row, operations} of the tenant in detail
        let timer = 0;
        // The buttons that are in the list, by tenant. They have no ids: a grid may draw new ones before it destroys
        // the old.
        const openers = {};

        let leaving = ""; // the tenant whose button has the focus while the list is drawn anew

        const showRows = function (tenants) {
            leaving = Object.keys(openers).find(function (id) {
                return openers[id].domNode && openers[id].domNode.contains(document.activeElement);
            }) || "";
            widget("list").set("noDataText", t("No reseller has an Azure Partner subscription yet."));
            widget("list").set("store", new Memory({ data: rowsOf(t, tenants), idProperty: "id" }));
        };

        const showNoRows = function (error) {
            widget("list").set("noDataText", t("The list cannot be read at the moment."));
            widget("list").set("store", new Memory({ data: [], idProperty: "id" }));
            panel.showMessage("error", failures.errorMessage(t, error));
        };

        /* gather reads the tenants of one instance of the application after the other. */
        const gather = function (left, found) {
            return operationsOf(left[0]).tenants().then(function (tenants) {
                const all = found.concat(tenants || []);
                return left.length > 1 ? gather(left.slice(1), all) : all;
            });
        };

        const loadList = function () {
            return gather(instances, []).then(still(showRows), still(showNoRows));
        };

        /* of shows an answer only while its tenant is the one in detail. */
        const of = function (tenant, show) {
            return still(function (value) {
                if (chosen === tenant) {
                    show(value);
                }
            });
        };

        const disable = dom.disabler();
        const busy = function (is) { disable(["check", "renew"].map(widget), is); };

        const showStatus = function (s) {
            groups.showStatus(panel, s);
            busy(!s.expiresAt);
        };

        const loadDetail = function () {
            const tenant = chosen;
            tenant.operations.history(historyLength).then(of(tenant, function (events) {
                groups.showHistory(panel, events || []);
            }), of(tenant, function () { groups.showHistory(panel, null); }));
            return tenant.operations.tokenStatus().then(of(tenant, showStatus), of(tenant, function (error) {
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
            call(tenant.operations).then(of(tenant, function (s) {
                showStatus(s);
                done(s);
                reload();
            }), of(tenant, function (error) {
                panel.showMessage("error", failures.errorMessage(t, error));
                reload();
            }));
        };

        const on = {
            details: open,
            drawn: function (row, button) {
                openers[row.id] = button;
                if (row.id === leaving) {
                    leaving = "";
                    setTimeout(function () { dom.giveBack(button); }); // once it is in its place
                }
            },
            close: function () {
                const opener = chosen && openers[chosen.row.id];
                chosen = null;
                showDetail(false);
                panel.clearMessage();
                if (opener && opener.domNode) {
                    dom.focus(opener);
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
            timer = setTimeout(still(function () {
                if (!document.hidden) {
                    loadList();
                }
                refresh();
            }), refreshEvery);
        };

        /* seen reads everything again when a person comes back to the screen from another window. */
        const seen = function () {
            if (!document.hidden) {
                reload();
            }
        };

        return {
            tree: function () { return widgets(panel, on); },

            show: function () {
                const apps = [].concat(panel.vars().app || []).filter(function (app) { return app && app.aps; });
                instances = apps.map(function (app) { return app.aps.id; });
                clearTimeout(timer);
                groups.listen(panel);
                widget("listPanel").set("visible", instances.length > 0);
                widget("note").set("value", instances.length ? "" : t("This account has no instance of the Azure Partner connector."));
                if (!instances.length) {
                    return null;
                }
                refresh();
                document.addEventListener("visibilitychange", seen);
                return reload();
            },

            hide: function () {
                visits.end();
                clearTimeout(timer);
                document.removeEventListener("visibilitychange", seen);
                on.close();
            }
        };
    };
});
