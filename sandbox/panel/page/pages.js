/*
 * The pages of the panel on which no screen is open: the choice of a user, with what this is and who takes part, and the home page.
 * panel.js passes in what they need: word(text) translates, make(name, cssClass, ...content) makes an element, addressOf(changes)
 * is the address of what is to be open, session() is who is logged in and who could be, panel() is "ux1" or "classic", screens()
 * are the screens of the menu, logIn(user) and openDrawer() do so.
 */
window.panelPages = function (panel) {
    "use strict";

    const { word, make, addressOf, session } = panel;
    const $ = (id) => document.getElementById(id);

    const roleOf = (user) => ({ provider: word("Provider"), reseller: word("Reseller"), parent: word("Parent reseller") }[user.role]);
    const aboutRole = (user) => ({
        provider: word("Runs the marketplace. Sees the state of every reseller's token, checks and renews it, but cannot consent for them."),
        reseller: word("Sells on the marketplace and is a partner of Microsoft. Gives the consent, and sees the token's state and history."),
        parent: word("A reseller with resellers below it. It sees only the status of their tokens.")
    }[user.role]);

    function drawLogin() {
        const cards = session().users.map((user) => {
            const role = make("span", "card-role", roleOf(user));
            const card = make("button", "card", make("strong", "", user.name), make("span", "", user.account), role, make("span", "card-about", aboutRole(user)));
            card.type = "button";
            card.addEventListener("click", () => panel.logIn(user.id));
            return card;
        });
        $("login").replaceChildren(...intro(), make(session().drawer ? "h2" : "h1", "", word("Log In")), make("p", "", word("Choose a user to log in as. This platform is simulated, so no password is asked for.")), make("div", "cards", ...cards), ...others());
    }

    /* others are the roles that nobody logs in with here. */
    function others() {
        if (!session().drawer) {
            return [];
        }
        const role = (title, text) => make("div", "", make("dt", "", title), make("dd", "", text));
        return [make("h2", "others-title", word("Who else takes part")), make("dl", "others",
            role(word("Customer's user"), word("Works for a customer of a reseller and has no screen here. Access tokens for the customer's directory let applications manage it, as long as the customer allows the reseller to.")),
            role(word("Borrowing application"), word("A program such as Azure CSP (NCE). It gets access tokens that last an hour, and never the refresh token.")))];
    }

    /* intro says on the first page what this is. */
    function intro() {
        if (!session().drawer) {
            return [];
        }
        const loop = [word("An administrator consents at Microsoft."), word("The connector stores the refresh token, encrypted."), word("Applications get access tokens for Partner Center, Graph, and Azure."), word("Every ten days, the connector renews the refresh token.")];
        const text = [word("Try the Azure Partner connector without Microsoft and without a marketplace: both are simulated here, and you can move the clock."), word("The connector is the real one.")];
        const steps = make("ol", "loop", ...loop.map((one) => make("li", "", one)));
        steps.id = "loop";
        return [make("h1", "", "Azure Partner connector"), make("p", "", text.join(" ")), steps, tourButton()];
    }

    function tourButton() {
        const start = make("button", "start-tour", word("Start the Tour"));
        start.type = "button";
        start.id = "startTour";
        start.addEventListener("click", () => {
            const reseller = session().users.find((user) => user.role !== "provider");
            const ready = session().user || !reseller ? Promise.resolve() : panel.logIn(reseller.id);
            ready.then(() => panel.openDrawer());
        });
        return start;
    }

    function drawHome() {
        const screens = panel.screens();
        const cards = screens.map(({ node, trail }) => {
            const card = make("a", "card", make("strong", "", node.label), make("span", "", trail.slice(0, -1).join(" › ")));
            card.href = addressOf({ pack: node.package, view: node.id });
            return card;
        });
        const text = screens.length ? word("These screens are available:") : word("No application has a screen for this account in this panel.");
        const parts = [make("h1", "", word("Welcome")), make("p", "", session().user.account)];
        if (session().drawer) {
            parts.push(tourButton());
        }
        if (panel.panel() === "ux1" && session().user.role !== "provider") {
            parts.push(dashboard());
        }
        $("home").replaceChildren(...parts, make("p", "", text), make("div", "cards", ...cards));
    }

    /* The tiles have a frame of their own, which grows with its content. */
    function dashboard() {
        const frame = make("iframe", "dashboard");
        frame.title = word("Home");
        frame.src = "/panel/home.html";
        frame.addEventListener("load", () => {
            const page = frame.contentDocument.documentElement;
            new ResizeObserver(() => { frame.style.height = frame.contentDocument.body.scrollHeight + "px"; }).observe(page);
        });
        return frame;
    }

    return { roleOf, drawLogin, drawHome };
};
