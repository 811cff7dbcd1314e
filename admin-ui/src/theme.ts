import { ActionIcon, Button, type CSSVariablesResolver, createTheme, Modal, Table, Tabs } from "@mantine/core";

/** One accent, system fonts, small radii. Filled parts take a shade that white text can be read on. */
export const theme = createTheme({
  primaryColor: "bamboo",
  primaryShade: { light: 7, dark: 7 },
  colors: {
    bamboo: [
      "#e9f7ef",
      "#d3ecdf",
      "#a6d9bf",
      "#76c69d",
      "#4fb580",
      "#36aa6d",
      "#289960",
      "#1b7a4b",
      "#14623c",
      "#0b4a2c",
    ],
  },
  defaultRadius: "sm",
  fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif",
  fontFamilyMonospace: "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace",
  headings: { fontWeight: "650", sizes: { h1: { fontSize: "1.4rem" }, h2: { fontSize: "1.05rem" } } },
  components: {
    ActionIcon: ActionIcon.extend({ defaultProps: { variant: "subtle", color: "gray" } }),
    Button: Button.extend({ defaultProps: { size: "sm" } }),
    Modal: Modal.extend({ defaultProps: { centered: true, closeButtonProps: { "aria-label": "Close" } } }),
    Table: Table.extend({ defaultProps: { verticalSpacing: "xs", highlightOnHover: true } }),
    Tabs: Tabs.extend({ defaultProps: { keepMounted: false } }),
  },
});

/** Mantine's own greys for lesser text are too faint to read (WCAG 2 AA asks for 4.5 to 1). */
export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--mantine-color-body": "#ffffff",
    "--mantine-color-dimmed": "#566069",
    "--mantine-color-placeholder": "#6b747c",
    "--mantine-color-error": "#c92a2a",
    "--mantine-color-anchor": "#146b41",
    "--pp-canvas": "#f6f7f8",
    "--pp-line": "#dfe3e6",
    "--pp-chart-1": "#1b7a4b",
    "--pp-chart-2": "#2b62c4",
    "--pp-chart-3": "#b3541e",
    "--pp-ok": "#14623c",
    "--pp-bad": "#b42318",
    "--pp-unknown": "#8a5a00",
  },
  dark: {
    "--mantine-color-body": "#1b1e22",
    "--mantine-color-dimmed": "#a6adb4",
    "--mantine-color-placeholder": "#939ba3",
    "--mantine-color-error": "#ff8787",
    "--mantine-color-anchor": "#6fd09c",
    "--pp-canvas": "#14171a",
    "--pp-line": "#31363c",
    "--pp-chart-1": "#4fc287",
    "--pp-chart-2": "#7ea6f4",
    "--pp-chart-3": "#e2955f",
    "--pp-ok": "#6fd09c",
    "--pp-bad": "#ff8787",
    "--pp-unknown": "#f0b849",
  },
});
