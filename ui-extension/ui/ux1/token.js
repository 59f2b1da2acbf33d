/* "Manage Refresh Token" in UX1. */
define(["app/lib/ux1", "app/lib/token"], function (ux1, token) {
    "use strict";
    return ux1(token, "azp-token-message");
});
