// Before the first paint: the theme and the language that were chosen last time.
(() => {
  const read = (name) => {
    try {
      return localStorage.getItem(name);
    } catch {
      return null; // storage is off: the system's choice counts
    }
  };
  const theme = read("theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
  const language = read("language") ?? navigator.language.slice(0, 2);
  document.documentElement.lang = language === "pt" ? "pt" : "en";
})();
