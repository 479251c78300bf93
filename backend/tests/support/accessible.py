"""What of a page is out of reach for somebody: for screen readers, for small windows, for Japanese labels."""

from pathlib import Path

from playwright.sync_api import Page

_AXE = Path(__file__).parents[3] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"

_RUN_AXE = """
async () => {
    const { violations } = await axe.run(document, { resultTypes: ['violations'] })
    return violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target.join(' ')}`))
}
"""

_CLIPPED = """
() => {
    const found = []
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    while (walker.nextNode()) {
        const text = walker.currentNode
        const element = text.parentElement
        const isJapanese = /[\\u3040-\\u30ff\\u4e00-\\u9fff]/.test(text.data)
        const isForOthers = element.closest('.visually-hidden, option, style') !== null
        if (!isJapanese || isForOthers || !element.checkVisibility()) continue
        const range = document.createRange()
        range.selectNodeContents(text)
        const { left, right, top, bottom } = range.getBoundingClientRect()
        for (let around = element; around !== null; around = around.parentElement) {
            const { overflowX, overflowY } = getComputedStyle(around)
            const box = around.getBoundingClientRect()
            if (['auto', 'scroll'].includes(overflowX) || ['auto', 'scroll'].includes(overflowY)) break
            const isCut = overflowX !== 'visible' && (left < box.left - 1 || right > box.right + 1)
            if (around.title === text.data) break
            if (isCut || (overflowY !== 'visible' && (top < box.top - 1 || bottom > box.bottom + 1))) {
                found.push(text.data)
                break
            }
        }
    }
    return found
}
"""

_UNREACHABLE = """
() => {
    const controls = 'a[href], button, input, select, textarea, summary, [role=application], [role=menuitem]'
    const dialog = document.querySelector('[role=dialog]')
    const found = []
    for (const element of (dialog ?? document).querySelectorAll(controls)) {
        if (!element.checkVisibility({ visibilityProperty: true }) || element.disabled) continue
        element.scrollIntoView({ block: 'nearest', inline: 'nearest', behavior: 'instant' })
        const { left, top, width, height } = element.getBoundingClientRect()
        const hit = document.elementFromPoint(left + width / 2, top + height / 2)
        const isHit = hit !== null && (element.contains(hit) || hit.closest('label')?.contains(element))
        const name = element.getAttribute('aria-label') ?? element.textContent
        if (!isHit) found.push(`${element.tagName} ${name}`)
    }
    const isTooWide = document.scrollingElement.scrollWidth > window.innerWidth
    if (isTooWide) found.push('the page is wider than the window')
    return found
}
"""


def violations(page: Page) -> list[str]:
    """What axe calls serious or critical: the rule, and where."""
    page.evaluate(_AXE.read_text("utf-8"))
    found: list[str] = page.evaluate(_RUN_AXE)
    return found


def clipped_labels(page: Page) -> list[str]:
    """Japanese texts that do not fit where they stand, other than names that a tooltip shows in full."""
    found: list[str] = page.evaluate(_CLIPPED)
    return found


def unreachable(page: Page) -> list[str]:
    """Controls that no scrolling brings into the window, or that something else covers.

    Of a dialog alone, if one is open.
    """
    found: list[str] = page.evaluate(_UNREACHABLE)
    return found
