def test_w(service):
    import time; time.sleep(0.5)
    print([l for l in service.get("/metrics").text.splitlines() if "waiting" in l or "cached" in l])
