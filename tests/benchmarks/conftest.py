"""What a stored benchmark says of its machine: nothing that names it."""


def pytest_benchmark_update_machine_info(config, machine_info):
    for name in ("node", "release"):
        machine_info.pop(name, None)


def pytest_benchmark_update_commit_info(config, commit_info):
    commit_info.pop("project", None)  # the folder's name
