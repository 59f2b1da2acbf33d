/*
 * The screen "Customers": the customers of the partner, their relationships, and whether the application has a consent in their
 * directories. It reads the whole list, page by page, and searches in it itself: the connector reads it from Microsoft once a
 * minute, whatever a person does here. lib/ux1 describes what a panel is.
 */
define([
    "aps/confirm",
    "aps/Memory",
    "app/lib/connector",
    "app/lib/customerswidgets",
    "app/lib/dom"
], function (confirm, Memory, connector, widgets, dom) {
    "use strict";

    const { operations: operationsOf, failures, words } = connector;

    const pageLength = 500;
    const soon = 30 * 24 * 60 * 60 * 1000;
    // Consents for all stop after so many failures in a row that are about no customer.
    const mostFailures = 3;

    /* refused says whether the last access token for a customer was refused after the consent. */
    const refused = function (customer) {
        return Boolean(customer.lastFailure) && !(customer.consentedAt && new Date(customer.consentedAt) > new Date(customer.lastAt));
    };

    /* stateOf returns what is most urgent about a customer: a key of states in lib/customerswidgets. */
    const stateOf = function (customer, now) {
        if (!customer.active) {
            return "none";
        }
        if (refused(customer) && customer.lastResult !== "customer_consent_missing") {
            return "refused";
        }
        if (customer.consent === "no") {
            return "missing";
        }
        if (customer.outdated) {
            return "outdated";
        }
        if (customer.endsAt && !customer.autoExtends && new Date(customer.endsAt) - new Date(now) <= soon) {
            return "ending";
        }
        return customer.consent === "yes" ? "ready" : "unknown";
    };

    const lacksConsent = function (customer) { return customer.consent !== "yes" || customer.outdated; };

    /* With readOnly, the screen shows the customers only, as the provider may see them. */
    return function (panel, options) {
        const readOnly = Boolean(options && options.readOnly);
        const t = panel.t;
        const widget = panel.byId;
        const lifetime = operationsOf.lifetime();
        const whileOpen = lifetime.whileOpen;
        let operations = null;
        let customers = []; // as read, by name
        let now = ""; // the connector's time when it was read
        let complete = false; // whether all pages were read
        let refusals = {}; // directory → why the last consent there failed
        let sought = "";
        let reading = false;
        let working = false; // whether a consent is being changed
        let stopping = false; // whether the consents for all end after the next one
        let prepared = false;
        let refocused = ""; // directory of the row whose button gets the focus when the list is drawn

        const matches = function (customer) {
            return [customer.name, customer.domain, customer.directory].some(function (text) { return String(text || "").toLowerCase().indexOf(sought) >= 0; });
        };

        const rowOf = function (customer) {
            const states = widgets.states(t);
            const state = stateOf(customer, now);
            return {
                id: customer.directory,
                name: customer.name || customer.directory,
                customer: customer,
                state: state,
                stateText: states[state].label,
                endsAt: customer.endsAt || "",
                consent: widgets.consent(t, customer),
                refusal: refusals[customer.directory] || "",
                lastAt: customer.lastAt || "",
                removable: customer.consent === "yes" && !customer.outdated,
                disabled: working
            };
        };

        const waiting = function () {
            return customers.filter(function (customer) { return customer.active && lacksConsent(customer); });
        };

        const draw = function () {
            const found = customers.filter(matches);
            if (!reading) {
                widget("list").set("noDataText", customers.length ? t("No customer matches the search.") : t("The partner account has no customers."));
            }
            widget("list").set("store", new Memory({ data: found.map(rowOf), idProperty: "id" }));
            dom.text(widget("count"), customers.length ? t("Shown: __shown__ of __total__", { shown: words.number(found.length), total: words.number(customers.length) }) : "");
            widget("all").set("disabled", working || !complete || !waiting().length);
            widget("reload").set("disabled", working || reading);
        };

        const showNotes = function (page) {
            widget("setting").set("value", page.customerDirectories === "none" && !readOnly ? t("The provider doesn't allow access tokens for customers (customerDirectories). You can already grant consents; they become useful once it's allowed.") : "");
            const notes = [];
            if (page.incomplete) {
                notes.push(t("Some customers may be missing from this list."), failures.messageOf(t, page.incomplete));
                if (page.customerDirectories === "listed") {
                    notes.push(t("Until the whole list can be read, no access tokens are issued for customers that are missing from it."));
                }
            }
            widget("incomplete").set("value", notes.join(" "));
        };

        /* read reads the pages from offset on, and calls show with each. It ends early when show returns false. */
        const read = function (offset, show) {
            return operations.customers(offset, pageLength).then(function (page) {
                const next = offset + page.customers.length;
                if (show(page) && page.customers.length && next < page.total) {
                    return read(next, show);
                }
                return null;
            });
        };

        const load = function () {
            let open = false;
            let all = [];
            const known = {};
            const showPage = whileOpen(function (page) {
                open = true;
                now = page.now;
                all = all.concat(page.customers.filter(function (customer) { return !known[customer.directory]; }));
                page.customers.forEach(function (customer) { known[customer.directory] = true; });
                customers = all;
                showNotes(page);
                draw();
            });
            reading = true;
            complete = false;
            widget("list").set("noDataText", t("Loading"));
            draw();
            return read(0, function (page) {
                open = false;
                showPage(page);
                return open;
            }).then(whileOpen(function () {
                reading = false;
                complete = true;
                draw();
            }), whileOpen(function (error) {
                reading = false;
                draw();
                if (!customers.length) {
                    widget("list").set("noDataText", t("The list can't be read at the moment."));
                }
                panel.showMessage("error", failures.consentErrorMessage(t, error));
            }));
        };

        /* changed notes the answer to a changed consent. */
        const changed = function (customer, answer) {
            delete refusals[customer.directory];
            customer.consentedAt = answer.consentedAt;
            customer.outdated = false;
            if (answer.consentedAt) {
                customer.consent = "yes";
            } else {
                Object.assign(customer, { consent: "unknown", lastResult: "", lastAt: null, lastFailure: null });
            }
        };

        const nameOf = function (customer) { return customer.name || customer.directory; };

        /* change changes the consent for one customer, and gives its row the focus afterwards. */
        const change = function (customer, call, done) {
            panel.clearMessage();
            working = true;
            draw();
            call(customer.directory).then(whileOpen(function (answer) {
                changed(customer, answer);
                panel.showMessage("info", done);
            }), whileOpen(function (error) {
                refusals[customer.directory] = failures.consentErrorMessage(t, error);
                panel.showMessage("error", refusals[customer.directory]);
            })).always(whileOpen(function () {
                working = false;
                refocused = customer.directory;
                draw();
            }));
        };

        const setRunning = function (is) {
            working = is;
            stopping = false;
            widget("stop").set("disabled", !is);
            widget("stop").set("visible", is);
            widget("progress").set("value", "");
        };

        /* consentForAll consents for one customer after the other. What the connector refuses for one of them doesn't stop it. */
        const consentForAll = function (list) {
            const todo = list.slice();
            let granted = 0;
            let failed = 0;
            let inARow = 0;
            let lastRefusal = "";
            const values = function () { return { granted: words.number(granted), failed: words.number(failed), all: words.number(list.length) }; };
            const end = function () {
                const stopped = todo.length > 0;
                const text = t("Consents granted: __granted__ of __all__. Failed: __failed__.", values());
                setRunning(false);
                draw();
                if (stopped && inARow >= mostFailures) {
                    panel.showMessage("error", [text, lastRefusal].join(" "));
                } else if (failed) {
                    panel.showMessage("warning", [text, t("See the list for the reasons.")].join(" "));
                } else {
                    panel.showMessage("info", text);
                }
                dom.restoreFocus(widget(widget("all").get("disabled") ? "reload" : "all"));
            };
            const next = function () {
                if (stopping || inARow >= mostFailures || !todo.length) {
                    end();
                    return;
                }
                widget("progress").set("value", t("Consents granted: __granted__ of __all__. Failed: __failed__.", values()));
                draw();
                const customer = todo.shift();
                operations.consentCustomer(customer.directory).then(whileOpen(function (answer) {
                    granted += 1;
                    inARow = 0;
                    changed(customer, answer);
                    next();
                }), whileOpen(function (error) {
                    const failure = failures.read(error).failure;
                    failed += 1;
                    inARow = failure && failure.code.indexOf("customer_") === 0 ? 0 : inARow + 1;
                    lastRefusal = failures.consentErrorMessage(t, error);
                    refusals[customer.directory] = lastRefusal;
                    next();
                }));
            };
            panel.clearMessage();
            setRunning(true);
            dom.focus(widget("stop"));
            next();
        };

        const handlers = {
            all: function () {
                const list = waiting();
                confirm({
                    title: t("Consent for All"),
                    description: t("The application gets a consent in the directory of each customer that has an active relationship but no consent yet, one after the other: __count__. Keep this screen open until it's done.", { count: words.number(list.length) }),
                    submitLabel: t("Consent for All"),
                    cancelLabel: t("Cancel")
                }).then(whileOpen(function (yes) {
                    if (yes === true && !working) {
                        consentForAll(list);
                    }
                }));
            },
            stop: function () {
                stopping = true;
                widget("stop").set("disabled", true);
            },
            reload: function () {
                panel.clearMessage();
                refusals = {};
                load().always(whileOpen(function () { dom.restoreFocus(widget("reload")); }));
            },
            consent: function (row) {
                change(row.customer, operations.consentCustomer, t("The consent for __name__ has been granted.", { name: nameOf(row.customer) }));
            },
            remove: function (row) {
                confirm({
                    title: t("Remove Consent"),
                    description: t("The application loses its consent in the directory of __name__. Until it gets a new one, access tokens for this customer are refused.", { name: nameOf(row.customer) }),
                    submitLabel: t("Remove Consent"),
                    cancelLabel: t("Cancel")
                }).then(whileOpen(function (yes) {
                    if (yes === true && !working) {
                        change(row.customer, operations.withdrawCustomer, t("The consent for __name__ has been removed.", { name: nameOf(row.customer) }));
                    }
                }));
            },
            drawn: function (row, button) {
                if (!row.disabled && row.id === refocused) {
                    refocused = "";
                    setTimeout(function () { dom.restoreFocus(button); }); // after the grid has inserted it
                }
            }
        };

        const prepareWidgets = function () {
            if (prepared) {
                return;
            }
            prepared = true;
            dom.live(widget("count"), "polite");
            dom.onInput(widget("search"), function (text) {
                sought = text.trim().toLowerCase();
                draw();
            });
        };

        return {
            tree: function () { return widgets(panel, handlers, readOnly); },

            show: function () {
                const chosen = operationsOf.choose(panel.vars().tenant, panel.subscription()).tenant;
                prepareWidgets();
                widget("listPanel").set("visible", Boolean(chosen));
                widget("note").set("value", chosen ? "" : t("This account has no Azure Partner subscription, so there are no customers to show."));
                if (!chosen || working || reading) {
                    return null;
                }
                operations = operationsOf(chosen.aps.id);
                return load();
            },

            /* hide ends consents for all after the one that is under way. */
            hide: function () {
                lifetime.end();
                reading = false;
                refusals = {};
                customers = [];
                sought = "";
                widget("search").set("value", "");
                setRunning(false);
                panel.clearMessage();
            }
        };
    };
});
