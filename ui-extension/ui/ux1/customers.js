/* "Customers" in UX1. */
define(["app/lib/ux1", "app/lib/customers"], function (ux1, customers) {
    "use strict";
    return ux1(customers, "azp-customers-message");
});
