import { useState } from "react";
import { useQuery } from "@tanstack/react-query";
import { api, body } from "@/api/client";
import { defineTexts, type Language, useLanguage, useTexts } from "@/i18n";
import { KeyEditor } from "@/keys/KeyEditor";
import { Dialog } from "@/ui/Dialog";
import styles from "./SettingsDialog.module.css";
import { type ColourBy, type Theme, useSettings } from "./settings";

const texts = defineTexts(
  {
    title: "Settings",
    theme: "Theme",
    dark: "Dark",
    light: "Light",
    system: "As the system",
    language: "Language",
    actor: "Your name",
    actorHint: "It is kept with everything that you decide or edit.",
    colourBy: "Colours of masks",
    class: "by class",
    instance: "by object",
    keys: "Keys",
    workers: "Workers",
    noWorkers: "No worker runs.",
    about: (version: string) => `Komadori ${version}. Nothing leaves this machine.`,
    licences: "Licences of what it is built with",
  },
  {
    title: "設定",
    theme: "テーマ",
    dark: "ダーク",
    light: "ライト",
    system: "システムに合わせる",
    language: "言語",
    actor: "あなたの名前",
    actorHint: "判定や編集のすべての記録に残ります。",
    colourBy: "マスクの色",
    class: "クラスごと",
    instance: "物体ごと",
    keys: "キー",
    workers: "ワーカー",
    noWorkers: "動いているワーカーはありません。",
    about: (version: string) => `Komadori ${version}。データがこのマシンの外に出ることはありません。`,
    licences: "使用しているソフトウェアのライセンス",
  },
);

const NAMES: Readonly<Record<Language, string>> = { en: "English", ja: "日本語" };
const LONGEST_NAME = 80;

export default function SettingsDialog({ onClose }: { readonly onClose: () => void }) {
  const t = useTexts(texts);
  const language = useLanguage();
  const { theme, actor, colourBy, change } = useSettings();
  const [isEditingKeys, setIsEditingKeys] = useState(false);
  return (
    <Dialog open onOpenChange={onClose} title={t.title}>
      <div className={styles["settings"]}>
        <label>
          {t.theme}
          <select value={theme} onChange={(event) => change({ theme: event.target.value as Theme })}>
            <option value="dark">{t.dark}</option>
            <option value="light">{t.light}</option>
            <option value="system">{t.system}</option>
          </select>
        </label>
        <label>
          {t.language}
          <select value={language} onChange={(event) => change({ language: event.target.value as Language })}>
            {Object.entries(NAMES).map(([key, name]) => (
              <option key={key} value={key}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label>
          {t.actor}
          <input
            value={actor}
            maxLength={LONGEST_NAME}
            autoComplete="off"
            aria-describedby="actor-hint"
            onChange={(event) => change({ actor: event.target.value.trimStart() })}
          />
        </label>
        <p id="actor-hint">{t.actorHint}</p>
        <label>
          {t.colourBy}
          <select value={colourBy} onChange={(event) => change({ colourBy: event.target.value as ColourBy })}>
            <option value="class">{t.class}</option>
            <option value="instance">{t.instance}</option>
          </select>
        </label>
        <details onToggle={(event) => setIsEditingKeys(event.currentTarget.open)}>
          <summary>{t.keys}</summary>
          {isEditingKeys && <KeyEditor />}
        </details>
        <Workers t={t} />
        <About t={t} />
      </div>
    </Dialog>
  );
}

type Shown = (typeof texts)["en"];

function Workers({ t }: { readonly t: Shown }) {
  const workers = useQuery({ queryKey: ["workers"], queryFn: ({ signal }) => body(api.GET("/api/v1/workers", { signal })), staleTime: 5_000 });
  return (
    <details>
      <summary>{t.workers}</summary>
      {workers.data?.length === 0 && <p>{t.noWorkers}</p>}
      <ul className={styles["workers"]}>
        {workers.data?.map((worker) => (
          <li key={worker.name}>
            <strong>{worker.queue}</strong> {worker.state} <span>{worker.detail}</span>
          </li>
        ))}
      </ul>
    </details>
  );
}

function About({ t }: { readonly t: Shown }) {
  const system = useQuery({ queryKey: ["system"], queryFn: ({ signal }) => body(api.GET("/api/v1/system", { signal })) });
  return (
    <p>
      {system.data !== undefined && t.about(system.data.version)}{" "}
      <a href="/THIRD_PARTY_LICENSES.md" target="_blank" rel="noreferrer">
        {t.licences}
      </a>
    </p>
  );
}
