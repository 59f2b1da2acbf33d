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
        // Tenant → its button in the list. The buttons have no ids, because a grid may draw new ones before it destroys
        // the old ones.
        const detailButtons = {};
        let focusedTenant = ""; // the tenant whose button had the focus before the list was redrawn

        const query = function () {
            return { limit: pageLength, offset: offset, state: state, search: search };
        };

        /* countLabel is the label of a filter. The chosen one has a mark, because a panel need not show what is pressed. */
        const countLabel = function (name, count, is) {
            const label = t("__name__: __state__", { name: name, state: words.number(count) });
            return is ? ["✓ ", label].join("") : label;
        };

        const filtered = function () { return Boolean(state || search); };

        /* showUnlisted names the panels that the operator has to list, so that automatic updates take effect in them at once. */
        const showUnlisted = function (origins) {
            widget("note").set("value", origins.length ? t("In these panels, automatic updates end with an authentication code: __origins__. If these panels are yours, the operator of the connector must add them to panelOrigins in the configuration.", { origins: origins.join(", ") }) : "");
        };

        const showInstances = function () {
            const data = instances.map(function (id) {
                return { id: id, application: applications[id] || null, shown: id === chosen, several: instances.length > 1 };
            });
            widget("instances").set("store", new Memory({ data: data, idProperty: "id" }));
        };

        const showCounts = function (page) {
            const all = words.states(t);
            let total = 0;
            Object.keys(page.counts).forEach(function (name) {
                const button = widget("count-" + name);
                const count = page.counts[name];
                total += count;
                if (button) {
                    button.set("label", countLabel(all[name].label, count, state === name));
                    button.set("visible", count > 0 || state === name);
                    dom.pressed(button, state === name);
                }
            });
            widget("count-all").set("label", countLabel(t("All"), total, !state));
            dom.pressed(widget("count-all"), !state);
        };

        const showRows = function (page) {
            focusedTenant = Object.keys(detailButtons).find(function (id) {
                return detailButtons[id].domNode && detailButtons[id].domNode.contains(document.activeElement);
            }) || focusedTenant;
            widget("list").set("noDataText", filtered() ? t("No reseller matches.") : t("No reseller has an Azure Partner subscription yet."));
            widget("list").set("store", new Memory({ data: rowsOf(page.tenants), idProperty: "id" }));
            const last = offset + page.tenants.length;
            widget("range").set("value", page.tenants.length ? t("Shown: __shown__ of __total__", { shown: [words.number(offset + 1), words.number(last)].join("–"), total: words.number(page.total) }) : "");
            widget("previous").set("disabled", offset === 0);
            widget("next").set("disabled", last >= page.total);
            ["previous", "next"].forEach(function (name) { widget(name).set("visible", page.total > pageLength); });
        };

        const showNoRows = function (error) {
            widget("list").set("noDataText", t("The list can't be read at the moment."));
            widget("list").set("store", new Memory({ data: [], idProperty: "id" }));
            widget("range").set("value", "");
            widget("failure").set("value", failures.errorMessage(t, error));
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
                if (!page.tenants.length && offset > 0 && page.total > 0) { // the last page is gone
                    offset = Math.floor((page.total - 1) / pageLength) * pageLength;
                    loadList();
                    return;
                }
                widget("failure").set("value", "");
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
                const button = detailButtons[id];
                if (button && button.domNode) {
                    dom.focus(button);
                } else {
                    focusedTenant = id; // the list is still to come
                }
            }
        });

        const handlers = {
            count: function (name) {
                state = state === name ? "" : name;
                turn(0);
            },
            instance: function (id) {
                chosen = id;
                turn(0);
            },
            previous: function () { turn(offset - pageLength); },
            next: function () { turn(offset + pageLength); },
            reload: function () { loadList(); },
            details: function (row) {
                opened = { id: row.id, name: row.name };
                keep();
                showOverview(false);
                detail.open(opened, applications[chosen] || { id: chosen });
            },
            drawn: function (row, button) {
                detailButtons[row.id] = button;
                if (row.id === focusedTenant) {
                    focusedTenant = "";
                    setTimeout(function () { dom.restoreFocus(button); }); // after the grid has inserted it
                }
            }
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
