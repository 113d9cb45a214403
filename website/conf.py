"""What Sphinx is told: pages in Markdown with the links of a code host, the theme, and no script of a third party."""

project = "Credit ledger"
root_doc = "docs/index"
extensions = ["myst_parser"]
language = "en"

# Headings have the anchors that a code host gives them.
myst_heading_anchors = 6
# Samples that are shortened, or in no language that the highlighter knows, are shown without colours.
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = "Credit ledger"
html_static_path = ["style"]
html_css_files = ["site.css"]
# The search fetches pages for its summaries, and a browser fetches nothing for a page that is opened as a file.
html_show_search_summary = False
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5cad", "color-brand-content": "#0b5cad"},
    "dark_css_variables": {"color-brand-primary": "#8ab8f0", "color-brand-content": "#8ab8f0"},
}
