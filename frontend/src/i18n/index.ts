/**
 * Texts in English and Japanese. Each part of the UI defines its own, in both languages at once, so that a
 * text without a translation does not compile. A text with values in it is a function.
 */
import { useMemo } from "react";
import { useSettings } from "@/app/settings";

export type Language = "en" | "ja";
export const LANGUAGES: readonly Language[] = ["en", "ja"];

type Text = string | ((...values: never[]) => string);
type Texts = { readonly [key: string]: Text };

/** The same keys in every language, with the same values. */
export type Translated<T extends Texts> = Record<Language, { readonly [K in keyof T]: T[K] extends string ? string : T[K] }>;

export function defineTexts<const T extends Texts>(en: T, ja: Translated<T>["ja"]): Translated<T> {
  return { en, ja } as Translated<T>;
}

/** The language in use: that of the settings, or else the browser's. */
export function useLanguage(): Language {
  const chosen = useSettings((settings) => settings.language);
  return chosen ?? browserLanguage();
}

export function useTexts<T extends Texts>(texts: Translated<T>): Translated<T>["en"] {
  return texts[useLanguage()];
}

export function browserLanguage(): Language {
  return navigator.language.toLowerCase().startsWith("ja") ? "ja" : "en";
}

export interface Formats {
  readonly number: (value: number) => string;
  readonly percent: (share: number) => string;
  /** 4.2 MB */
  readonly bytes: (n: number) => string;
  /** 1:02:03.4 for positions in a video; `digits` after the point. */
  readonly time: (seconds: number, digits?: number) => string;
  /** "3 min", "2 h 5 min": how long something takes. */
  readonly span: (seconds: number) => string;
  readonly date: (secondsSince1970: number) => string;
}

export function useFormats(): Formats {
  const language = useLanguage();
  return useMemo(() => formats(language), [language]);
}

export function formats(language: Language): Formats {
  const number = new Intl.NumberFormat(language);
  const percent = new Intl.NumberFormat(language, { style: "percent" });
  const date = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
  const unit = (value: number, name: string) =>
    new Intl.NumberFormat(language, { style: "unit", unit: name, unitDisplay: "short", maximumFractionDigits: value < 10 ? 1 : 0 }).format(value);
  return {
    number: (value) => number.format(value),
    percent: (share) => percent.format(share),
    bytes: (n) => {
      const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
      const power = n < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(n) / 3));
      return unit(n / 1000 ** power, units[power] ?? "byte");
    },
    time: clock,
    span: (seconds) => {
      if (seconds < 60) return unit(Math.max(1, Math.round(seconds)), "second");
      const minutes = Math.round(seconds / 60);
      const hours = Math.floor(minutes / 60);
      return hours === 0 ? unit(minutes, "minute") : `${unit(hours, "hour")} ${unit(minutes % 60, "minute")}`;
    },
    date: (seconds) => date.format(new Date(seconds * 1000)),
  };
}

function clock(seconds: number, digits = 1): string {
  const scale = 10 ** digits;
  const whole = Math.floor(Math.max(0, seconds) * scale + 1e-6);
  const s = Math.floor(whole / scale);
  const rest = digits === 0 ? "" : `.${String(whole % scale).padStart(digits, "0")}`;
  const two = (n: number) => String(n).padStart(2, "0");
  const hours = Math.floor(s / 3600);
  const minutes = Math.floor(s / 60) % 60;
  return `${hours > 0 ? `${hours}:${two(minutes)}` : minutes}:${two(s % 60)}${rest}`;
}
