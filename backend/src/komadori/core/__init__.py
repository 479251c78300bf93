"""The vocabulary and the rules that everything else stands on; numpy and the standard library only."""
