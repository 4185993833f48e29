/** For a box that scrolls: the keyboard must reach it to move what is inside (WCAG 2.1.1). */
export const scrolls: { readonly tabIndex: 0 } = { tabIndex: 0 }
