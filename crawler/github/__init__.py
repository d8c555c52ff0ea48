"""GitHub's REST interface as the crawl uses it: is a repository changed, renamed, gone?

`states` and `token` import nothing heavy; `client` and `probe` bring PyGithub, so import them
where a crawl begins.
"""
