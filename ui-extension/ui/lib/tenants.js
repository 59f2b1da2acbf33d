/*
 * The screen "Refresh Tokens" of the provider: the instances, the resellers with the states of their tokens, and one of them in
 * detail. The connector filters, searches, sorts and pages. The provider may only check and renew. lib/ux1 describes what a
 * panel is.
 */
define([
    "aps/Memory",
    "app/lib/connector",
    "app/lib/tenantdetail",
    "app/lib/tenantswidgets",
    "app/lib/dom"
], function (Memory, connector, detailOf, widgets, dom) {
    "use strict";

    const { operations: operationsOf, failures, words } = connector;

    const refreshEvery = 60000;
    const pageLength = 50;
    const searchDelay = 300; // after the last key

    // What the list shows and whose details are open survives a reload of this tab. Without storage, a reload begins anew.
    const placeKey = "azure-partner-tenants";
    const readPlace = function () {
        try {
            return JSON.parse(window.sessionStorage.getItem(placeKey)) || {};
        } catch (unavailable) {
            return {};
        }
    };
    const keepPlace = function (place) {
        try {
            window.sessionStorage.setItem(placeKey, JSON.stringify(place));
        } catch (unavailable) {
            // it is forgotten
        }
    };

    const rowsOf = function (tenants) {
        return tenants.map(function (tenant) { return Object.assign({}, tenant, { name: tenant.name || tenant.id }); });
    };

    return function (panel) {
        const t = panel.t;
        const widget = panel.byId;
        const lifetime = operationsOf.lifetime();
        const whileOpen = lifetime.whileOpen;
        let instances = []; // ids
        let applications = {}; // instance → what its last page told of it
        let chosen = ""; // the instance whose resellers are listed
        let state = ""; // the state that is listed; empty: all
        let search = "";
        let offset = 0;
        let asked = 0; // counts questions, so that only the answer to the last one is shown
        let timer = 0;
        let typing = 0;
        let prepared = false;
        let opened = null; // {id, name} of the tenant whose details are open
        const listFocus = dom.rowFocus();
        const instancesFocus = dom.rowFocus();

        const query = function () {
            return { limit: pageLength, offset: offset, state: state, search: search };
        };

        /* showFilter labels the button of a filter, without a number while none is known. The chosen one has a mark, because a panel
           need not show what is pressed. */
        const showFilter = function (button, name, count, is) {
            const label = count === undefined ? name : t("__name__: __state__", { name: name, state: words.number(count) });
            button.set("label", is ? ["✓ ", label].join("") : label);
            dom.pressed(button, is);
        };

        const filtered = function () { return Boolean(state || search); };

        /* showUnlisted names the panels that the operator has to list, so that automatic updates take effect in them at once. */
        const showUnlisted = function (origins) {
            widget("note").set("value", origins.length ? t("In these panels, automatic updates end with an authentication code: __origins__. If these panels are yours, the operator of the connector must add them to panelOrigins in the configuration.", { origins: origins.join(", ") }) : "");
        };

        const showInstances = function () {
            instancesFocus.begin();
            const data = instances.map(function (id) {
                return { id: id, application: applications[id] || null, shown: id === chosen, several: instances.length > 1 };
            });
            widget("instances").set("store", new Memory({ data: data, idProperty: "id" }));
        };

        const showCounts = function (page) {
            const all = words.states(t);
            let total = 0;
            let lost = false; // whether the filter that had the focus is hidden
            Object.keys(page.counts).forEach(function (name) {
                const button = widget("count-" + name);
                const count = page.counts[name];
                total += count;
                if (button) {
                    const visible = count > 0 || state === name;
                    lost = lost || !visible && dom.hasFocus(button);
                    showFilter(button, all[name].label, count, state === name);
                    button.set("visible", visible);
                }
            });
            showFilter(widget("count-all"), t("All"), total, !state);
            if (lost) {
                dom.restoreFocus(widget("count-all"));
            }
        };

        /* showNoCounts shows the filters without numbers: those before are of another time, or of another instance. */
        const showNoCounts = function () {
            const all = words.states(t);
            Object.keys(all).forEach(function (name) {
                const button = widget("count-" + name);
                if (button) {
                    showFilter(button, all[name].label, undefined, state === name);
                }
            });
            showFilter(widget("count-all"), t("All"), undefined, !state);
        };

        /* turnable enables the buttons between pages. One at which there is no further page passes the focus to the other one. */
        const turnable = function (possible) {
            const focused = Object.keys(possible).find(function (name) { return dom.hasFocus(widget(name)); });
            Object.keys(possible).forEach(function (name) { widget(name).set("disabled", !possible[name]); });
            if (focused && !possible[focused]) {
                dom.restoreFocus(widget(focused === "next" ? "previous" : "next"));
            }
        };

        const showRows = function (page) {
            listFocus.begin();
            widget("list").set("noDataText", filtered() ? t("No reseller matches.") : t("No reseller has an Azure Partner subscription yet."));
            widget("list").set("store", new Memory({ data: rowsOf(page.tenants), idProperty: "id" }));
            const last = offset + page.tenants.length;
            dom.text(widget("range"), page.tenants.length ? t("Shown: __shown__ of __total__", { shown: [words.number(offset + 1), words.number(last)].join("–"), total: words.number(page.total) }) : "");
            ["previous", "next"].forEach(function (name) { widget(name).set("visible", page.total > pageLength); });
            turnable({ previous: offset > 0, next: last < page.total });
        };

        const showNoRows = function (error) {
            widget("list").set("noDataText", t("The list can't be read at the moment."));
            widget("list").set("store", new Memory({ data: [], idProperty: "id" }));
            dom.text(widget("range"), "");
            showInstances(); // without what they tell of themselves, if nothing is known yet
            showNoCounts();
            dom.text(widget("failure"), failures.errorMessage(t, error));
            widget("reload").set("visible", true);
        };

        const keep = function () { keepPlace({ instance: chosen, state: state, search: search, offset: offset, opened: opened }); };

        /* loadList reads the page of the chosen instance. */
        const loadList = function () {
            const mine = asked += 1;
            keep();
            const current = function (show) {
                return whileOpen(function (value) {
                    if (mine === asked) {
                        show(value);
                    }
                });
            };
            return operationsOf(chosen).tenants(query()).then(current(function (page) {
                if (!page.tenants.length && offset > 0) { // the page is gone; a tenant that is being removed may still count in total
                    turn(Math.min(offset - pageLength, Math.floor((page.total - 1) / pageLength) * pageLength));
                    return;
                }
                dom.text(widget("failure"), "");
                widget("reload").set("visible", false);
                applications[chosen] = page.instance;
                showUnlisted(page.unlistedOrigins);
                showInstances();
                showCounts(page);
                showRows(page);
            }), current(showNoRows));
        };

        /* loadInstances reads what the other instances tell of themselves. One that cannot be read stays empty. */
        const loadInstances = function () {
            instances.forEach(function (id) {
                if (id !== chosen) {
                    operationsOf(id).tenants({ limit: 1, offset: 0, state: "", search: "" }).then(whileOpen(function (page) {
                        applications[id] = page.instance;
                        showInstances();
                    }), whileOpen(showInstances));
                }
            });
        };

        /* turn lists from another offset on. */
        const turn = function (to) {
            offset = Math.max(0, to);
            return loadList();
        };

        const showOverview = function (is) {
            ["instancesPanel", "listPanel"].forEach(function (name) { widget(name).set("visible", is); });
        };

        const detail = detailOf(panel, {
            changed: function () { loadList(); },
            closed: function (id) {
                opened = null;
                keep();
                showOverview(true);
                listFocus.focus(id);
            }
        });

        const handlers = {
            count: function (name) {
                state = state === name ? "" : name;
                turn(0);
            },
            instance: function (id) {
                chosen = id;
                dom.focus(widget("count-all"), true); // the button that had the focus becomes a text
                turn(0);
            },
            instanceDrawn: function (row, button) { instancesFocus.drawn(row.id, button); },
            previous: function () { turn(offset - pageLength); },
            next: function () { turn(offset + pageLength); },
            reload: function () { loadList(); },
            details: function (row) {
                opened = { id: row.id, name: row.name };
                keep();
                showOverview(false);
                detail.open(opened, applications[chosen] || { id: chosen });
            },
            drawn: function (row, button) { listFocus.drawn(row.id, button); }
        };

        const prepareWidgets = function () {
            prepared = true;
            dom.live(widget("range"), "polite");
            dom.live(widget("failure"), "polite");
            dom.onInput(widget("search"), function (text) {
                clearTimeout(typing);
                typing = setTimeout(whileOpen(function () {
                    search = text.trim();
                    turn(0);
                }), searchDelay);
            });
            detail.prepare();
        };

        const refresh = function () {
            timer = setTimeout(whileOpen(function () {
                if (!document.hidden) {
                    loadList();
                }
                refresh();
            }), refreshEvery);
        };

        /* reload reads everything again. */
        const reload = function () {
            detail.load();
            loadInstances();
            return loadList();
        };

        /* reloadIfVisible reads everything again after a person has returned to the screen from another window. */
        const reloadIfVisible = function () {
            if (!document.hidden) {
                reload();
            }
        };

        /* restore returns to where a reload of this tab has left off. */
        const restore = function () {
            const place = readPlace();
            if (instances.indexOf(place.instance) < 0) {
                return;
            }
            chosen = place.instance;
            state = place.state;
            search = place.search;
            offset = place.offset;
            widget("search").set("value", search);
            if (place.opened) {
                handlers.details(place.opened);
            }
        };

        return {
            tree: function () { return widgets(panel, handlers).concat(detail.tree()); },

            show: function () {
                const apps = [].concat(panel.vars().app || []).filter(function (app) { return app && app.aps; });
                instances = apps.map(function (app) { return app.aps.id; }).sort();
                clearTimeout(timer);
                if (!prepared) {
                    prepareWidgets();
                    restore();
                }
                chosen = instances.indexOf(chosen) >= 0 ? chosen : instances[0];
                showOverview(instances.length > 0 && !detail.isOpen());
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
                clearTimeout(typing);
                document.removeEventListener("visibilitychange", reloadIfVisible);
                const place = readPlace();
                detail.close();
                keepPlace(place); // a page that is reloaded is left, too
            }
        };
    };
});
