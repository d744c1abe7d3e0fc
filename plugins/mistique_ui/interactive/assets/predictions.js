// A metric between 0 and 1 with four digits, so that a column of them can be read at a glance.
window.dashAgGridFunctions = window.dashAgGridFunctions || {};
window.dashAgGridFunctions.fourDigits = (value) => (typeof value === "number" ? value.toFixed(4) : "–");
