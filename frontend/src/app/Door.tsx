import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useEffect, useState } from "react";
import { api, body, lookAt } from "@/api/client";
import { Problem } from "@/api/problem";
import { defineTexts, useTexts } from "@/i18n";
import { Button } from "@/ui/Button";
import { ErrorState } from "@/ui/states";
import styles from "./Door.module.css";

const texts = defineTexts(
  {
    title: "Komadori asks for its token",
    token: "Token",
    where: "Whoever started Komadori has set it as KOMADORI_TOKEN.",
    enter: "Enter",
    wrong: "This is not the token.",
  },
  {
    title: "トークンを入力してください",
    token: "トークン",
    where: "Komadori を起動した人が KOMADORI_TOKEN に設定したものです。",
    enter: "入る",
    wrong: "トークンが違います。",
  },
);

const SESSION = ["session"] as const;

const GIVEN = takeToken();

/** `komadori up` prints an address with the token behind the #, which browsers never send; it does not stay there. */
function takeToken(): string | null {
  const given = new URLSearchParams(window.location.hash.slice(1)).get("token");
  if (given !== null) window.history.replaceState(null, "", window.location.pathname + window.location.search);
  return given;
}

/** Lets in who may come in: everybody on the machine itself, who has the token elsewhere. */
export function Door({ children }: { readonly children: ReactNode }) {
  const session = useQuery({ queryKey: SESSION, queryFn: openDoor, staleTime: Infinity });
  if (session.isError) return <ErrorState error={session.error} onRetry={() => void session.refetch()} />;
  if (session.data === undefined) return null;
  return session.data.is_open ? children : <TokenForm />;
}

async function openDoor({ signal }: { readonly signal: AbortSignal }) {
  const session = await body(api.GET("/api/v1/session", { signal }));
  lookAt(session.database_id);
  return session;
}

function TokenForm() {
  const t = useTexts(texts);
  const client = useQueryClient();
  const [token, setToken] = useState("");
  const enter = useMutation({
    mutationFn: (given: string) => api.POST("/api/v1/session", { body: { token: given } }),
    onSuccess: () => client.invalidateQueries({ queryKey: SESSION }),
    meta: { isSilent: true },
  });
  const { mutate } = enter;
  useEffect(() => {
    if (GIVEN !== null) mutate(GIVEN);
  }, [mutate]);
  const isWrong = enter.error instanceof Problem && enter.error.status === 401;
  return (
    <main className={styles["door"]}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          mutate(token.trim());
        }}
      >
        <h1>{t.title}</h1>
        <label>
          {t.token}
          <input type="password" autoComplete="current-password" value={token} onChange={(event) => setToken(event.target.value)} />
        </label>
        <p>{t.where}</p>
        {enter.isError && (
          <p role="alert" className={styles["wrong"]}>
            {isWrong ? t.wrong : enter.error.message}
          </p>
        )}
        <Button look="primary" type="submit" disabled={token.trim() === "" || enter.isPending}>
          {t.enter}
        </Button>
      </form>
    </main>
  );
}
