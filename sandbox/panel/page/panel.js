/*
 * The panel around the screens: the user, the menu of the packages' navigation, and the frames in which screens run. UX1
 * keeps one frame per package; classic opens each screen as a page of its own (docs/reference/aps-ui.md §2.1). The
 * address after # names what is open: #/<panel>/<locale>/<package>/<view>. pages.js has the pages without a screen, drawer.js and
 * inbox.js what opens at the side.
 */
(function () {
    "use strict";

    const locales = {
        en_US: "English", de_DE: "Deutsch", es_ES: "Español", fr_FR: "Français", it_IT: "Italiano", ja_JP: "日本語",
        nl_NL: "Nederlands", pt_BR: "Português", ru_RU: "Русский"
    };
    const panels = { ux1: "UX1", classic: "Classic" };
    const $ = (id) => document.getElementById(id);
    let session = null;
    let route = { panel: "ux1", locale: "en_US", pack: "", view: "" };
    let menu = [];
    let menuRequests = 0;
    let frames = new Map(); // package → {frame, controller, waiting}
    let current = null; // the open frame's entry
    let nextParams = {}; // what a screen passes to the screen that it opens

    const word = (text) => (window.panelWords[route.locale] || {})[text] || text;

    function make(name, cssClass, ...content) {
        const node = document.createElement(name);
        if (cssClass) {
            node.className = cssClass;
        }
        content.forEach((part) => node.append(part));
        return node;
    }

    function call(method, path, body) {
        const headers = { "Content-Type": "application/json" };
        if (session && session.token) {
            headers["APS-Token"] = session.token;
        }
        return fetch("/panel/api/" + path, { method, headers, body: body && JSON.stringify(body) })
            .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(path + ": " + answer.status))));
    }

    function readRoute() {
        const parts = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
        route = {
            panel: panels[parts[0]] ? parts[0] : "ux1",
            locale: locales[parts[1]] ? parts[1] : "en_US",
            pack: parts[2] || "",
            view: parts[3] || ""
        };
    }

    const addressOf = (changes) => {
        const p = Object.assign({}, route, changes);
        return "#/" + [p.panel, p.locale, p.pack, p.view].filter(Boolean).map(encodeURIComponent).join("/");
    };

    const go = (changes) => { location.hash = addressOf(changes); };

    function loading(is) {
        $("loading").hidden = !is;
        $("content").setAttribute("aria-busy", String(is));
    }

    function views(nodes, trail) {
        return nodes.flatMap((node) => {
            const here = trail.concat(node.label);
            const own = node.view ? [{ node, trail: here }] : [];
            return own.concat(views(node.nodes || [], here));
        });
    }

    const inMenu = (nodes) => nodes.map((node) => Object.assign({}, node, { nodes: node.view ? [] : inMenu(node.nodes || []) }));
    const allViews = () => menu.flatMap((section) => views(section.nodes, section.label ? [word(section.label)] : []));

    /* Classic trees need a folder around every screen (docs/reference/aps-ui.md §1.2). A folder with the label of its
       only screen is replaced by the screen. */
    function collapse(node) {
        const nodes = (node.nodes || []).map(collapse);
        const same = !node.view && nodes.length === 1 && nodes[0].label === node.label;
        return same ? nodes[0] : Object.assign({}, node, { nodes });
    }

    function drawNode(node) {
        const item = make("li");
        if (node.view) {
            const link = make("a", "", node.label);
            link.href = addressOf({ pack: node.package, view: node.id });
            if (node.package === route.pack && node.id === route.view) {
                link.setAttribute("aria-current", "page");
            } else if (views(node.nodes || [], []).some((below) => below.node.package === route.pack && below.node.id === route.view)) {
                link.setAttribute("aria-current", "true");
            }
            item.append(link);
        } else {
            item.append(make("span", "menu-label", node.label));
        }
        if (!node.view && node.nodes && node.nodes.length) {
            item.append(make("ul", "", ...node.nodes.map(drawNode)));
        }
        return item;
    }

    function drawMenu() {
        const home = make("a", "", word("Home"));
        home.href = addressOf({ pack: "", view: "" });
        if (!route.view) {
            home.setAttribute("aria-current", "page");
        }
        const sections = menu.flatMap((section) => {
            const list = make("ul", "", ...section.nodes.map(drawNode));
            return section.label ? [make("h2", "menu-section", word(section.label)), list] : [list];
        });
        $("menu").replaceChildren(make("ul", "", make("li", "", home)), ...sections);
        $("menu").setAttribute("aria-label", word("Menu"));
    }

    function options(select, entries, chosen) {
        select.replaceChildren(...entries.map(([value, label]) => new Option(label, value, false, value === chosen)));
    }

    function drawBar() {
        document.documentElement.lang = route.locale.replace("_", "-");
        $("brand").textContent = session.brand;
        $("sandbox").textContent = word("Simulated platform");
        $("skip").textContent = word("Skip to content");
        $("burgerLabel").textContent = word("Menu");
        $("loadingText").textContent = word("Loading");
        $("who").hidden = $("tools").hidden = $("burger").hidden = $("menu").hidden = !session.user;
        $("panelLabel").textContent = word("Panel");
        $("localeLabel").textContent = word("Language");
        $("userLabel").textContent = word("Logged in as");
        drawer.setAvailable(Boolean(session.drawer && session.user));
        inbox.setAvailable(Boolean(session.user), Boolean(session.drawer && session.user));
        options($("panel"), Object.entries(panels), route.panel);
        options($("locale"), Object.entries(locales), route.locale);
        drawUsers();
    }

    function drawUsers() {
        options($("user"), session.users.map((u) => [u.id, [u.name, u.account, pages.roleOf(u)].join(" · ")]), session.user && session.user.id);
    }

    function show(part) {
        ["login", "home", "content"].forEach((id) => { $(id).hidden = id !== part; });
        $("heading").hidden = part !== "content";
        $("foot").hidden = part !== "content" || !$("foot").childElementCount;
    }

    function leave() {
        if (current) {
            if (current.controller && route.panel === "ux1") {
                current.controller.leave();
            }
            current.frame.hidden = true;
        }
        current = null;
    }

    function removeFrames() {
        leave();
        frames.forEach((entry) => entry.frame.remove());
        frames = new Map();
    }

    function frameFor(key, url, title) {
        const frame = make("iframe");
        frame.src = url;
        frame.title = title;
        frame.className = "frame";
        $("content").append(frame);
        const entry = { frame, controller: null };
        entry.ready = new Promise((done) => { entry.done = done; });
        frames.set(key, entry);
        return entry;
    }

    function drawFoot(view) {
        const buttons = (view.controls || []).map((control) => {
            const button = make("button", "foot-button", control.label);
            button.type = "button";
            button.addEventListener("click", () => {
                loading(true); // until the screen ends the processing or opens another screen
                current.controller.press(control.handler);
            });
            return button;
        });
        $("foot").replaceChildren(...buttons);
    }

    function openScreen({ node, trail }) {
        const classic = route.panel === "classic";
        const base = "/aps/2/packages/" + encodeURIComponent(node.package);
        $("title").textContent = node.label;
        $("crumbs").textContent = trail.slice(0, -1).join(" › ");
        document.title = node.label + " – " + session.brand;
        drawFoot(node.view);
        show("content");
        leave();
        loading(true);
        const query = new URLSearchParams({ panel: route.panel, package: node.package, view: node.id, locale: route.locale });
        const params = nextParams;
        nextParams = {};
        const context = call("GET", "context?" + query).then((given) => Object.assign(given, { params }));
        if (classic) {
            removeFrames();
        }
        const key = node.package;
        const entry = frames.get(key) || frameFor(key, base + (classic ? "/" + node.view.src : "/ui/bootstrapApp.html"), node.label);
        entry.context = context;
        entry.frame.hidden = false;
        current = entry;
        return Promise.all([context, entry.ready]).then(([given]) => {
            if (current !== entry) {
                return null;
            }
            if (classic) {
                loading(false);
                return null;
            }
            return entry.controller.open({ id: node.id, src: node.view.src }, given);
        });
    }

    /* After a change of the world, the open screen reads its data again: at once, and after the connector has had time to
       react. Screens read their data when they become visible, for example after a person returns from another window. */
    function worldChanged() {
        const reload = () => {
            if (current) {
                current.frame.contentDocument.dispatchEvent(new Event("visibilitychange"));
            } else if (session.user && !$("home").hidden) {
                pages.drawHome();
            }
        };
        inbox.refresh();
        [200, 1500, 4000, 8000, 13000].forEach((delay) => setTimeout(reload, delay));
        call("GET", "session").then((given) => { // a switch may bring a user
            session.users = given.users;
            drawUsers();
        }).catch(showError);
    }

    const drawer = window.panelDrawer({ word, call, make, locale: () => route.locale, opened: () => inbox.close(), changed: worldChanged });
    const inbox = window.panelInbox({
        word, call, make, locale: () => route.locale, opened: () => drawer.close(), started: () => drawer.set("stop", false)
    });

    const pages = window.panelPages({
        word, make, addressOf,
        session: () => session,
        panel: () => route.panel,
        screens: () => menu.flatMap((section) => views(inMenu(section.nodes), section.label ? [word(section.label)] : [])),
        logIn: (user) => logIn(user),
        openDrawer: () => drawer.open()
    });

    const entryOf = (frameWindow) => Array.from(frames.values()).find((entry) => entry.frame.contentWindow === frameWindow);

    /* The interface of the panel for its frames. */
    window.panelHost = {
        attach: (frameWindow) => (entryOf(frameWindow) || { context: Promise.resolve({}) }).context.then((context) => ({ context, locale: route.locale })),
        loaded: (frameWindow, controller) => {
            const entry = entryOf(frameWindow);
            if (entry) { // the home page's frame has no views
                entry.controller = controller;
                entry.done();
            }
        },
        tiles: () => call("GET", "tiles?" + new URLSearchParams({ panel: route.panel, locale: route.locale })),
        loading,
        token: () => session.token,
        goto: (view, params) => {
            nextParams = params || {};
            const id = view.replace(/^.*#/, ""); // other packages are named before the #
            const target = allViews().find(({ node }) => node.id === id);
            go(target ? { pack: target.node.package, view: id } : { view: id });
        },
        popup: (view, params) => {
            const target = allViews().find(({ node }) => node.id === view.replace(/^.*#/, ""));
            if (!target) {
                return Promise.reject(new Error("There is no screen " + view + "."));
            }
            const query = new URLSearchParams({ panel: route.panel, package: target.node.package, view: target.node.id, locale: route.locale });
            return call("GET", "context?" + query).then((context) => ({
                spec: { id: target.node.id, src: target.node.view.src, label: target.node.label, controls: target.node.view.controls },
                context: Object.assign(context, { params: params || {} })
            }));
        },
        notify: () => current.controller.notify()
    };

    function showError(error) {
        console.error(error);
        show("home");
        $("home").replaceChildren(make("p", "broken", word("The panel could not load this page. Reload it.")));
    }

    function render() {
        drawBar();
        if (!session.user) {
            leave();
            pages.drawLogin();
            show("login");
            return null;
        }
        drawMenu();
        const screen = allViews().find(({ node }) => node.package === route.pack && node.id === route.view);
        if (screen) {
            return openScreen(screen);
        }
        leave();
        document.title = session.brand;
        pages.drawHome();
        show("home");
        return null;
    }

    /* When user, panel or language change quickly, only the menu of the last request is shown. */
    function readMenu() {
        if (!session.user) {
            return Promise.resolve();
        }
        const request = ++menuRequests;
        return call("GET", "navigation?" + new URLSearchParams({ panel: route.panel, locale: route.locale })).then((sections) => {
            if (request === menuRequests) {
                menu = sections.map((section) => ({ label: section.label, nodes: section.nodes.map(collapse) }));
            }
        });
    }

    function logIn(user) {
        removeFrames();
        return call("POST", "session", { user }).then((given) => {
            session = given;
            return readMenu().then(render).then(focusContent);
        }).catch(showError);
    }

    function routeChanged() {
        const before = route;
        readRoute();
        $("menu").classList.remove("open");
        $("burger").setAttribute("aria-expanded", "false");
        const same = before.panel === route.panel && before.locale === route.locale;
        if (!same) {
            const after = route;
            route = before;
            removeFrames();
            route = after;
        }
        const inMenu = $("menu").contains(document.activeElement);
        (same ? Promise.resolve() : readMenu()).then(render).then(() => inMenu && focusContent()).catch(showError);
    }

    /* focusContent moves the focus to the content when the focused element no longer exists. */
    function focusContent() {
        if (document.activeElement === document.body) {
            $("main").focus();
        }
    }

    $("panel").addEventListener("change", (event) => go({ panel: event.target.value, pack: "", view: "" }));
    $("locale").addEventListener("change", (event) => go({ locale: event.target.value }));
    $("user").addEventListener("change", (event) => logIn(event.target.value));
    $("burger").addEventListener("click", () => {
        const isOpen = $("menu").classList.toggle("open");
        $("burger").setAttribute("aria-expanded", String(isOpen));
    });
    $("skip").addEventListener("click", (event) => {
        event.preventDefault(); // the part after # says what is open
        $("main").focus();
    });
    window.addEventListener("hashchange", routeChanged);

    readRoute();
    call("GET", "session").then((given) => {
        session = given;
        return readMenu().then(render);
    }).catch(showError);
}());
