/*
 * The side drawer of the sandbox, which moves the clock and simulates what happens around the connector. Real panels have none.
 * panel.js passes in what it needs: word(text) translates, call(method, path, body) calls the panel, locale() is the panel's
 * language, changed() reports that the world has changed.
 */
window.panelDrawer = function (panel) {
    "use strict";

    const { word, call, make, locale, opened, changed } = panel;
    const $ = (id) => document.getElementById(id);
    const steps = () => [["24h", word("1 day later")], ["240h", word("10 days later")], ["720h", word("30 days later")], ["1920h", word("80 days later")]];
    const readEvery = 2500; // while the tour waits for a person
    let shown = null; // the drawer's content as last received
    let timer = 0;

    const time = (at) => new Date(at).toLocaleString(locale().replace("_", "-"), { weekday: "long", year: "numeric", month: "long", day: "numeric", hour: "numeric", minute: "2-digit", timeZoneName: "short" });

    function announce(text) { $("drawerTold").textContent = text; }

    function send(request, messageFor) {
        return call("POST", "drawer", request).then((world) => {
            shown = world;
            if ($("drawerBody").childElementCount) {
                update();
            }
            announce(world.refused ? word("Refused:") + " " + world.refused : messageFor(world));
            changed();
        }).catch(() => announce(word("The sandbox did not answer.")));
    }

    function button(id, text, act) {
        const node = make("button", "drawer-button", text);
        node.type = "button";
        node.id = id;
        node.addEventListener("click", act);
        return node;
    }

    /* perform does what a step of the tour has a button for. */
    function perform(step) {
        const request = step.advance ? { advance: step.advance } : { switch: step.switch, on: true };
        return send(request, (world) => (step.advance ? word("The clock now shows:") + " " + time(world.now) : word("Done:") + " " + word(step.label)));
    }

    /* tour are the steps of the tour: the next one with what to do. */
    function tour() {
        const steps = shown.tour || [];
        const next = steps.findIndex((one) => !one.done);
        return steps.map((one, i) => {
            const item = make("li", one.done ? "tour-done" : "", make("strong", "", word(one.title)));
            if (one.done) {
                item.append(make("span", "unseen", " – " + word("done")));
            }
            if (i === next) {
                item.setAttribute("aria-current", "step");
                item.append(make("span", "drawer-about", word(one.text)));
                if (one.label) {
                    item.append(button("tour-" + one.id, word(one.label), () => perform(one)));
                }
            }
            return item;
        });
    }

    /* showTour draws the steps anew when one was done, so that a button keeps the focus until then. */
    function showTour() {
        const list = $("tour");
        const steps = shown.tour || [];
        const key = document.documentElement.lang + steps.filter((one) => one.done).length;
        if (!list || list.dataset.key === key) {
            return;
        }
        const focused = list.contains(document.activeElement);
        const before = list.dataset.key;
        list.dataset.key = key;
        list.replaceChildren(...tour());
        if (before && steps.length && steps.every((one) => one.done)) {
            announce(word("You have seen it all."));
        }
        if (focused) {
            $("drawerTitle").focus();
        }
    }

    function tourSection() {
        if (!(shown.tour || []).length) {
            return [];
        }
        const list = make("ol", "tour");
        list.id = "tour";
        return [make("section", "", make("h3", "", word("Tour")), list)];
    }

    /* watch reads the world while the drawer is open and the tour has steps left. */
    function watch() {
        clearTimeout(timer);
        timer = setTimeout(() => {
            if ($("drawer").hidden || !(shown.tour || []).some((one) => !one.done)) {
                return;
            }
            call("GET", "drawer").then((world) => {
                shown = world;
                update();
            }).catch(() => announce(word("The sandbox did not answer."))).then(watch);
        }, readEvery);
    }

    function clock() {
        const buttons = steps().map(([by, text]) => button("advance" + by, text, () => send({ advance: by }, (world) => word("The clock now shows:") + " " + time(world.now))));
        return make("section", "", make("h3", "", word("Clock")), make("p", "drawer-time"), make("div", "drawer-buttons", ...buttons));
    }

    function switchRow(one) {
        const about = make("span", "drawer-about", word(one.about));
        about.id = "about-" + one.id;
        if (one.momentary) {
            const action = button("switch-" + one.id, word(one.label), () => send({ switch: one.id, on: true }, () => word("Done:") + " " + word(one.label)));
            action.setAttribute("aria-describedby", about.id);
            return make("div", "drawer-switch", action, about);
        }
        const box = make("input");
        box.type = "checkbox";
        box.id = "switch-" + one.id;
        box.setAttribute("aria-describedby", about.id);
        box.addEventListener("change", () => send({ switch: one.id, on: box.checked }, () => (box.checked ? word("On:") : word("Off:")) + " " + word(one.label)));
        const label = make("label", "", box, make("span", "", word(one.label)));
        return make("div", "drawer-switch", label, about);
    }

    /* borrowers are the switches that make an application borrow an access token, and what the last one showed. */
    function borrowers() {
        const switches = shown.switches.filter((one) => one.ofBorrower);
        if (!switches.length) {
            return [];
        }
        const rows = switches.map((one) => {
            const about = make("span", "drawer-about", word(one.about));
            about.id = "about-" + one.id;
            const action = button("switch-" + one.id, word(one.label), () => send({ switch: one.id, on: true }, (world) => word("The answer:") + " " + world.borrowed.status).then(() => $("drawerAnswer").scrollIntoView({ block: "nearest" })));
            action.setAttribute("aria-describedby", about.id);
            return make("div", "drawer-switch", action, about);
        });
        const answer = make("div", "drawer-answer");
        answer.id = "drawerAnswer";
        const about = make("p", "drawer-note", word("A program such as Azure CSP (NCE). It gets access tokens that last an hour, and never the refresh token."));
        return [make("section", "", make("h3", "", word("An application borrows")), about, ...rows, answer)];
    }

    function showBorrowed() {
        const answer = $("drawerAnswer");
        const borrowed = shown.borrowed;
        if (!answer || !borrowed) {
            return;
        }
        const token = borrowed.expiresAt ? word("It got an access token until:") + " " + time(borrowed.expiresAt) : word("It got no access token.");
        const body = make("pre", "", borrowed.body);
        body.tabIndex = 0;
        body.setAttribute("role", "region");
        body.setAttribute("aria-label", word("The answer:") + " " + borrowed.status);
        const line = (part) => make("p", "", part);
        answer.replaceChildren(line(make("strong", "", word(borrowed.label))), line(token), line(make("code", "", borrowed.request)), line(make("strong", "", borrowed.status)), body);
    }

    function accounts() {
        const rows = shown.accounts.map((one) => make("li", "", make("code", "", one.name), make("span", "drawer-about", word(one.about))));
        const password = make("p", "", word("The password of all of them:") + " ", make("code", "", shown.password));
        return make("section", "", make("h3", "", word("Accounts of the simulated Microsoft")), password, make("ul", "drawer-accounts", ...rows));
    }

    /* update changes the existing elements in place, because a person may be about to press one of the buttons. */
    function update() {
        $("drawerBody").querySelector(".drawer-time").textContent = time(shown.now);
        shown.switches.filter((one) => !one.momentary).forEach((one) => { $("switch-" + one.id).checked = one.on; });
        showBorrowed();
        showTour();
    }

    function draw() {
        const switches = (title, ofPlatform) => make("section", "", make("h3", "", title),
            ...shown.switches.filter((one) => one.ofPlatform === ofPlatform && !one.ofBorrower).map(switchRow));
        $("drawerBody").replaceChildren(...tourSection(), clock(), ...borrowers(), switches(word("Simulate at Microsoft"), false), switches(word("Simulate at the platform"), true), accounts());
        update();
    }

    function translateLabels() {
        $("drawerToggleLabel").textContent = word("Sandbox");
        $("drawerTitle").textContent = word("Sandbox");
        $("drawerNote").textContent = word("Only this simulated platform has this drawer. Use it to simulate what happens around the connector.");
        $("drawerClose").setAttribute("aria-label", word("Close"));
    }

    function open(is) {
        if (is) {
            opened();
        }
        $("drawer").hidden = !is;
        $("drawerToggle").setAttribute("aria-expanded", String(is));
        if (!is) {
            clearTimeout(timer);
            $("drawerToggle").focus();
            return;
        }
        announce("");
        call("GET", "drawer").then((world) => {
            shown = world;
            draw();
            $("drawerTitle").focus();
            watch();
        }).catch(() => announce(word("The sandbox did not answer.")));
    }

    $("drawerToggle").addEventListener("click", () => open($("drawer").hidden));
    $("drawerClose").addEventListener("click", () => open(false));
    $("drawer").addEventListener("keydown", (event) => {
        if (event.key === "Escape") {
            open(false);
        }
    });

    return {
        open: () => open(true),

        /* close closes the drawer and leaves the focus where it is. */
        close: function () {
            clearTimeout(timer);
            $("drawer").hidden = true;
            $("drawerToggle").setAttribute("aria-expanded", "false");
        },

        /* set turns a switch on or off. */
        set: (id, on) => send({ switch: id, on }, () => ""),

        /* setAvailable shows or hides the drawer's button, and translates its label. */
        setAvailable: function (is) {
            $("drawerToggle").hidden = !is;
            translateLabels();
            if (!is) {
                this.close();
            } else if (shown && !$("drawer").hidden) {
                draw();
            }
        }
    };
};
