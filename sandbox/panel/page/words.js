/* The panel's own words; those of a package's screens come from its catalogues. */
(function () {
    "use strict";
    const german = {
        "Skip to content": "Zum Inhalt springen",
        "Menu": "Menü",
        "Panel": "Panel",
        "Language": "Sprache",
        "Logged in as": "Angemeldet als",
        "Simulated platform": "Simulierte Plattform",
        "Log In": "Anmelden",
        "Choose whom to log in as. This platform is simulated, so no password is asked for.": "Wählen Sie, als wer Sie sich anmelden. Diese Plattform ist simuliert, deshalb wird kein Kennwort verlangt.",
        "Welcome": "Willkommen",
        "Home": "Startseite",
        "Services": "Dienste",
        "Applications": "Anwendungen",
        "Provider": "Anbieter",
        "Reseller": "Wiederverkäufer",
        "No application has a screen for this account in this panel.": "Keine Anwendung hat in diesem Panel einen Bildschirm für dieses Konto.",
        "These screens are available:": "Diese Bildschirme stehen zur Verfügung:",
        "Loading": "Wird geladen",
        "The panel could not load this page. Reload it.": "Das Panel konnte diese Seite nicht laden. Laden Sie sie neu.",
        "Content": "Inhalt"
    };
    const catalogues = { de_DE: german };
    window.panelWord = (locale, text) => (catalogues[locale] || {})[text] || text;
}());
