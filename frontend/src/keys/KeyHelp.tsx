import { useSettings } from "@/app/settings";
import { defineTexts, useTexts } from "@/i18n";
import { Dialog } from "@/ui/Dialog";
import { ACTIONS, type Scope, texts as actionTexts } from "./actions";
import styles from "./KeyHelp.module.css";
import { Keys } from "./Keys";
import { keysOf } from "./useKeys";

export const scopeTexts = defineTexts(
  { title: "Keys", any: "Everywhere", explore: "Explore", annotate: "Annotate" },
  { title: "キー", any: "全ページ", explore: "探索", annotate: "アノテーション" },
);

export const SCOPES: readonly Scope[] = ["any", "explore", "annotate"];

/** What each key does. */
export default function KeyHelp({ onClose }: { readonly onClose: () => void }) {
  const t = useTexts(scopeTexts);
  const actions = useTexts(actionTexts);
  const own = useSettings((settings) => settings.keys);
  return (
    <Dialog kind="wide" open onOpenChange={onClose} title={t.title}>
      <div className={styles["help"]}>
        {SCOPES.map((scope) => (
          <section key={scope}>
            <h3>{t[scope]}</h3>
            <dl>
              {ACTIONS.filter((action) => action.scope === scope).map(({ id }) => (
                <div key={id}>
                  <dt>{actions[id]}</dt>
                  <dd>
                    <Keys keys={keysOf(id, own)} />
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
