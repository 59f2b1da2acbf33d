/* "Settings" in UX1. */
define(["app/lib/ux1", "app/lib/settings"], function (ux1, settings) {
    "use strict";
    return ux1(settings, "azp-settings-message");
});
