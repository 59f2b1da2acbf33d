/*
 * The list of the platform's notifications, and the inbox with the mails that the sandbox's mail server took: their buttons in the
 * header, the list that they open, and the bar that says that the connector is stopped. panel.js passes in what it needs.
 */
window.panelInbox = function (panel) {
    "use strict";

    const { word, call, make, locale, opened, started } = panel;
    const $ = (id) => document.getElementById(id);
    const readEvery = 4000; // while somebody is logged in
    let available = { bell: false, mailbox: false };
    let counts = { notifications: 0, mails: 0, outage: "" };
    let shown = ""; // the id of the pressed button, while its list is open

    const kinds = {
        bell: { title: () => word("Notifications"), note: () => word("What the platform shows to this account."), none: () => word("There is no notification yet."), path: "notifications" },
        mailbox: { title: () => word("Mail"), note: () => word("The connector sends its mail to a simulated mail server, which delivers nothing."), none: () => word("There is no mail yet."), path: "mails" }
    };

    const time = (at) => new Date(at).toLocaleString(locale().replace("_", "-"), { year: "numeric", month: "short", day: "numeric", hour: "numeric", minute: "2-digit", timeZoneName: "short" });

    function drawButtons() {
        Object.entries(kinds).forEach(([id, kind]) => {
            const unread = counts[kind.path];
            $(id).hidden = !available[id];
            $(id).setAttribute("aria-label", unread ? word("__title__, unread: __count__").replace("__title__", kind.title()).replace("__count__", unread) : kind.title());
            $(id + "Count").textContent = unread > 99 ? "99+" : String(unread || "");
            $(id + "Count").hidden = !unread;
        });
    }

    function drawOutage() {
        $("outage").hidden = !counts.outage;
        if (counts.outage) {
            $("outageTitle").textContent = word("The connector is stopped. The platform gets:");
            $("outageSeen").textContent = counts.outage;
            $("outage").title = counts.outage; // a phone shows the beginning
            $("outageEnd").textContent = word("Start the Connector");
        }
    }

    const badge = (one) => (one.unread ? [make("span", "news-new", word("New"))] : []);

    function notification(one) {
        const item = make("li", "news-item news-" + one.status, make("p", "news-when", time(one.at), ...badge(one)), make("strong", "", one.text));
        if (one.details) {
            item.append(make("p", "news-text", one.details));
        }
        return item;
    }

    function mail(one) {
        const to = word("To: __address__").replace("__address__", one.to.join(", "));
        const body = make("details", "", make("summary", "", make("strong", "", one.subject)), make("p", "news-text", one.text));
        return make("li", "news-item", make("p", "news-when", time(one.at), ...badge(one)), body, make("p", "news-to", to));
    }

    function drawList(list) {
        const kind = kinds[shown];
        $("inboxTitle").textContent = kind.title();
        $("inboxNote").textContent = kind.note();
        $("inboxClose").setAttribute("aria-label", word("Close"));
        $("inboxNone").textContent = list.length ? "" : kind.none();
        $("news").replaceChildren(...list.map(shown === "bell" ? notification : mail));
    }

    /* read fills the list, after which its entries are no longer unread. */
    function read() {
        const which = shown;
        return call("POST", kinds[which].path, {}).then((list) => {
            if (which === shown) {
                counts[kinds[which].path] = 0;
                drawButtons();
                drawList(list);
            }
        });
    }

    function update(given) {
        counts = given;
        drawButtons();
        drawOutage();
        return shown && counts[kinds[shown].path] ? read() : null;
    }

    /* refresh asks for news. A sandbox that has ended is reported by what a person does next. */
    function refresh() {
        return available.bell ? call("GET", "news").then(update).catch(() => null) : Promise.resolve();
    }

    function close() {
        if (shown) {
            $(shown).setAttribute("aria-expanded", "false");
            shown = "";
            $("inbox").hidden = true;
        }
    }

    function open(id) {
        close();
        opened();
        shown = id;
        read().then(() => {
            if (shown === id) { // a press on any button meanwhile ends that
                $("inbox").hidden = false;
                $(id).setAttribute("aria-expanded", "true");
                $("inboxTitle").focus();
            }
        }).catch(() => shown === id && close());
    }

    function closeAndReturn() {
        const from = $(shown);
        close();
        from.focus();
    }

    Object.keys(kinds).forEach((id) => $(id).addEventListener("click", () => (shown === id ? closeAndReturn() : open(id))));
    $("inboxClose").addEventListener("click", closeAndReturn);
    $("inbox").addEventListener("keydown", (event) => {
        if (event.key === "Escape") {
            closeAndReturn();
        }
    });
    $("outageEnd").addEventListener("click", () => started().then(refresh));
    setInterval(() => document.hidden || refresh(), readEvery);

    return {
        close,
        refresh,

        /* setAvailable shows the buttons of the logged-in user, and reads their counts. */
        setAvailable: function (bell, mailbox) {
            available = { bell, mailbox };
            if (!bell) {
                counts = { notifications: 0, mails: 0, outage: "" };
                close();
            } else if (shown) {
                read().catch(close);
            }
            drawButtons();
            drawOutage();
            refresh();
        }
    };
};
