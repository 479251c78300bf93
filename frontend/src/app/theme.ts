import { useEffect } from "react";
import { useLanguage } from "@/i18n";
import { useSettings } from "./settings";

/** Puts the theme and the language on the root element, where styles and screen readers look for them. */
export function useDocumentSettings(): void {
  const theme = useSettings((settings) => settings.theme);
  const language = useLanguage();
  useEffect(() => {
    const light = window.matchMedia("(prefers-color-scheme: light)");
    const apply = () => {
      document.documentElement.dataset["theme"] = theme === "system" ? (light.matches ? "light" : "dark") : theme;
    };
    apply();
    light.addEventListener("change", apply);
    return () => light.removeEventListener("change", apply);
  }, [theme]);
  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);
}
