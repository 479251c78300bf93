import { useEffect, useState } from "react";
import { outbox } from "./session";

/** Whether what was done before this was shown has been sent, as far as it can be. */
export function useSettled(): boolean {
  const [isSettled, setIsSettled] = useState(false);
  useEffect(() => {
    let isShown = true;
    void outbox.settled().then(() => isShown && setIsSettled(true));
    return () => {
      isShown = false;
    };
  }, []);
  return isSettled;
}
